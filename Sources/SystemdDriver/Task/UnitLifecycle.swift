import NomadPlugin
import Systemd

/// What a task's unit does and what it means to Nomad: a pure function from what was known and what systemd says
/// now to what is known and what to do.
struct UnitLifecycle: Sendable, Hashable {
  enum Phase: Sendable, Hashable {
    /// The start job has not ended and the unit's program does not run yet.
    case starting
    case running
    /// The unit has ended. How is found out from what systemd and the journal tell: ``UnitLifecycle/conclude(_:_:)``.
    case down
    case ended(ExitResult)
  }

  enum Effect: Sendable, Hashable {
    /// The start can be answered.
    case started
    /// The unit has ended.
    case down
    /// The end can be answered.
    case ended(ExitResult)
    case report(TaskEventText)
  }

  private(set) var phase: Phase
  /// Whether an earlier process of the plugin has started the task.
  let isRecovered: Bool
  /// What systemd said last.
  private(set) var status: UnitStatus?
  /// When the run that was seen last began, as far as systemd has told.
  private(set) var startTime: RealtimeTimestamp?
  /// When the unit ended, as systemd or the journal tells.
  private(set) var endTime: RealtimeTimestamp?

  /// The run before the one that a start was asked for.
  private let previousInvocationID: String?
  /// The run that was seen last.
  private(set) var invocationID: String?
  /// How often systemd had restarted the unit when that run began.
  private var restartCount: UInt32 = 0
  private var needsDaemonReload = false
  private var isUndefined = false
  /// The worst since the unit was seen to run.
  private var continuity: Continuity
  /// How the last run ended, if systemd was seen to wait before it restarts the unit.
  private var endBeforeRestart: UnitEnd?
  /// Since when a restart is due that systemd has no job for.
  private var restartStuckSince: ContinuousClock.Instant?
  private var isStuckReported = false
  /// Whether the start job has failed, although the unit's program ran.
  private var hasStartFailed = false
  /// Whether the driver itself has asked for a stop.
  private(set) var isStopRequested = false
  /// The run that a stop job of the driver's has ended; set only by ``stopSucceeded(of:)``.
  private var stoppedRun: StoppedRun?

  /// Whether somebody else has started the unit at once after that.
  private(set) var isStartedAgain = false

  private struct StoppedRun: Hashable {
    let invocationID: String?
  }

  /// Whether a unit was watched without a gap, which decides what is known of one that systemd has forgotten.
  enum Continuity: Sendable, Hashable, Comparable {
    /// A failure would have been seen.
    case continuous
    /// Nobody polled for a while: somebody can have made systemd forget a failure.
    case interrupted
    /// systemd could not be asked: it can be another one by now, which knows nothing.
    case disconnected
  }

  /// How long a service may take to say that it is ready before its running program is enough.
  static let readinessPatience: Duration = .seconds(3)
  /// How long a restart may be due without a job before it is reported.
  private static let restartPatience: Duration = .seconds(30)

  /// A unit that a start is asked for.
  ///
  /// - Parameter previousInvocationID: the run that is to be replaced, if there is one; it does not count as started.
  init(previousInvocationID: String? = nil) {
    self.phase = .starting
    self.isRecovered = false
    self.previousInvocationID = previousInvocationID
    self.continuity = .continuous
  }

  /// A unit that is active and is taken as it is.
  init(adopting status: UnitStatus) {
    self.init()
    self.status = status
    self.invocationID = status.invocationID
    self.restartCount = status.restartCount ?? 0
  }

  /// A unit that a start was asked for before, and that is not known to have ended.
  ///
  /// - Parameters:
  ///   - invocationID: the run that was seen last, where it is known.
  ///   - isSameBoot: whether the machine is known not to have been restarted since.
  ///   - end: how the unit is known to have ended, and when; nil if it may run.
  init(
    recovered invocationID: String?, isSameBoot: Bool,
    end: (result: ExitResult, time: RealtimeTimestamp?)? = nil
  ) {
    self.phase = end.map { .ended($0.result) } ?? .running
    self.endTime = end?.time
    self.isRecovered = true
    self.previousInvocationID = nil
    self.invocationID = invocationID
    self.continuity = isSameBoot ? .interrupted : .disconnected
  }

  /// Takes what systemd says now.
  ///
  /// - Parameters:
  ///   - waited: for how long the start has been under way.
  ///   - continuity: whether the unit was watched without a gap until then.
  ///   - now: when systemd was asked.
  mutating func observe(
    _ status: UnitStatus, waited: Duration = .zero, continuity: Continuity = .continuous,
    now: ContinuousClock.Instant = .now
  ) -> [Effect] {
    self.continuity = max(self.continuity, continuity)
    switch self.phase {
    case .down:
      return []
    case .ended:
      // After a recovery nothing but the end is known. The unit may be another run by now.
      if self.status == nil, self.invocationID != nil, status.invocationID == self.invocationID {
        self.status = status
      }
      return []
    case .starting:
      // Inactive or failed now is what the unit was before the start.
      self.status = status
      if self.isPreviousRun(status) { return [] }
      guard status.activeState == .active || Self.programRuns(status, waited: waited) else { return [] }
      return self.run(status, now)
    case .running:
      return self.run(status, now)
    }
  }

  /// Whether a status is still that of the run before the one that a start was asked for.
  func isPreviousRun(_ status: UnitStatus) -> Bool {
    self.previousInvocationID.map { $0 == status.invocationID } ?? false
  }

  /// Whether the program of a unit that is not yet active runs, and that is enough: the program is all there is to a
  /// oneshot; a service that is to say when it is ready is given some time for that.
  private static func programRuns(_ status: UnitStatus, waited: Duration) -> Bool {
    guard status.activeState == .activating, status.subState == "start" else { return false }
    if status.serviceType == "oneshot" { return status.mainProcessID != nil }
    return waited >= Self.readinessPatience
      && (status.mainProcessID != nil || status.controlProcessID != nil)
  }

  // MARK: The start

  /// The start job has succeeded.
  mutating func startSucceeded() -> [Effect] {
    guard case .starting = self.phase else { return [] }
    self.phase = .running
    return [.started]
  }

  /// The start job has failed.
  ///
  /// - Parameters:
  ///   - status: what systemd says of the unit now.
  ///   - history: what the journal has said since the start, where systemd has forgotten the unit.
  ///   - commands: what systemd says of the unit's processes, where it has not.
  ///   - isJobFailure: whether the job has failed, rather than systemctl.
  /// - Returns: nil if the start is to fail; otherwise what to do, since the task has started all the same.
  mutating func startFailed(
    _ status: UnitStatus, history: UnitHistory?, commands: ServiceCommands? = nil, isJobFailure: Bool = true
  ) -> [Effect]? {
    self.hasStartFailed = isJobFailure
    guard case .starting = self.phase else { return [] }
    if status.jobID == nil, self.isPreviousRun(status) { return nil }
    guard status.jobID == nil, status.activeState.isDown else {
      // systemd goes on by itself (Restart=): the unit is the task's, and is stopped with it.
      return self.startSucceeded()
    }
    // Where a start is nothing but running the program, one that ran and failed has started, and has ended. (The job of
    // a simple service fails as well if the program is quick to.)
    // It has succeeded where nothing but systemctl failed, say as systemd executed itself anew.
    let end: UnitEnd
    if status.isForgotten {
      guard let run = history?.end(since: nil), run.invocationID != self.previousInvocationID,
        let known = UnitEnd(run)
      else { return nil }
      end = known
    } else {
      end = UnitEnd(status, failedCommand: Self.failedCommand(of: status, history, commands))
    }
    guard Self.hasRun(status.serviceType, end) else { return nil }
    self.status = status
    self.invocationID = status.invocationID
    self.phase = .down
    return [.started, .down]
  }

  /// Whether the program of a service has run, by how the service ended when its start job failed.
  private static func hasRun(_ serviceType: String?, _ end: UnitEnd) -> Bool {
    if let command = end.failedCommand?.directive,
      command.hasPrefix("ExecStartP") || command == "ExecCondition"
    {
      return false
    }
    // Another process has failed if it is not the main one.
    if end.failedCommand == nil, UnitEnd.resultsOfProcesses.contains(end.result),
      end.mainProcessExit?.isOf(end.result) != true
    {
      return false
    }
    guard let exit = end.mainProcessExit ?? (end.result == "success" ? .exited(0) : nil) else { return false }
    return switch serviceType {
    case "simple", "idle": true
    case "oneshot", "exec": ServiceExitStatus(exit) == nil
    default: false
    }
  }

  // MARK: The stop

  /// The driver is about to stop the unit.
  mutating func stopRequested() { self.isStopRequested = true }

  /// A stop job of the driver's has succeeded: the task's run has ended, whatever the unit does from now on.
  ///
  /// - Parameter invocationID: the run at the time of the stop, as far as it is known.
  mutating func stopSucceeded(of invocationID: String?) {
    self.stoppedRun = StoppedRun(invocationID: invocationID)
  }

  /// Whether a status is of a run that somebody else has begun after a stop of the driver's.
  private func isOfLaterRun(_ status: UnitStatus) -> Bool {
    guard let stopped = self.stoppedRun?.invocationID, let invocationID = status.invocationID else {
      return false
    }
    return invocationID != stopped
  }

  /// The unit is handed back as it is: to Nomad that is a good end.
  mutating func leave() -> [Effect] {
    if self.isOver { return [] }
    return self.end(ExitResult(exitCode: 0), at: nil)
  }

  /// Whether the unit has ended, however it did.
  var isOver: Bool {
    switch self.phase {
    case .starting, .running: false
    case .down, .ended: true
    }
  }

  // MARK: Running

  private mutating func run(_ status: UnitStatus, _ now: ContinuousClock.Instant) -> [Effect] {
    var effects: [Effect] = []
    if case .starting = self.phase { effects.append(.started) }
    self.phase = .running
    if self.isOfLaterRun(status) {
      self.phase = .down
      self.isStartedAgain = true
      return effects + [.down]
    }
    let before = self.status
    self.status = status
    self.startTime = status.mainProcessStart ?? status.activeEnter ?? self.startTime
    effects += self.takeInvocation(status, before)
    effects += self.takeDefinition(status)
    effects += self.takePause(status, now)
    // With a job the unit is on its way to somewhere else: a restart goes through inactive.
    guard status.jobID == nil, status.activeState.isDown else {
      self.continuity = .continuous
      return effects
    }
    self.phase = .down
    return effects + [.down]
  }

  /// Takes which run it is, and whether that is a new one.
  private mutating func takeInvocation(_ status: UnitStatus, _ before: UnitStatus?) -> [Effect] {
    guard let invocationID = status.invocationID else { return [] }
    defer { self.invocationID = invocationID }
    let restartCount = status.restartCount ?? 0
    guard self.invocationID != invocationID else { return [] }
    defer { self.restartCount = restartCount }
    if self.invocationID != nil { self.hasStartFailed = false }
    let isFirstRunUnseen = self.invocationID == nil && !self.isRecovered && restartCount > 0
    guard self.invocationID != nil || isFirstRunUnseen else { return [] }
    // systemd counts its restarts, and begins anew after a start by request. A reset-failed sets the count to 0 as well.
    let wasWaiting = before?.subState?.hasPrefix("auto-restart") == true
    guard restartCount > 0 || wasWaiting else { return [.report(.replaced(unit: status.id))] }
    return [
      .report(
        .restarted(unit: status.id, count: restartCount, reason: wasWaiting ? before?.result : nil))
    ]
  }

  private mutating func takeDefinition(_ status: UnitStatus) -> [Effect] {
    var effects: [Effect] = []
    if status.needsDaemonReload == true, !self.needsDaemonReload {
      effects.append(.report(.needsDaemonReload(unit: status.id)))
    }
    self.needsDaemonReload = status.needsDaemonReload == true
    let isUndefined = status.loadState == .notFound
    if isUndefined, !self.isUndefined, !status.activeState.isDown {
      effects.append(.report(.undefined(unit: status.id)))
    }
    self.isUndefined = isUndefined
    return effects
  }

  /// Takes how a run ended after which systemd waits to restart the unit.
  private mutating func takePause(_ status: UnitStatus, _ now: ContinuousClock.Instant) -> [Effect] {
    guard status.activeState == .activating, status.subState?.hasPrefix("auto-restart") == true else {
      // What the pause has shown counts until another run begins.
      if !status.activeState.isDown { self.endBeforeRestart = nil }
      self.restartStuckSince = nil
      self.isStuckReported = false
      return []
    }
    self.endBeforeRestart = UnitEnd(status)
    guard status.subState == "auto-restart-queued", status.jobID == nil else {
      self.restartStuckSince = nil
      return []
    }
    let since = self.restartStuckSince ?? now
    self.restartStuckSince = since
    guard now - since >= Self.restartPatience, !self.isStuckReported else { return [] }
    self.isStuckReported = true
    return [.report(.restartStuck(unit: status.id))]
  }

  // MARK: The end

  /// Whether the journal has to be asked how the unit ended: systemd does not tell all, and what it has said before is
  /// not enough.
  ///
  /// systemd keeps a unit that has failed only until somebody resets it, which can take some milliseconds.
  func needsHistory(_ history: UnitHistory) -> Bool {
    guard case .down = self.phase, let status, status.activeState != .failed,
      history.end(since: self.invocationID) == nil
    else { return false }
    if status.isForgotten || self.stoppedRun != nil || self.continuity != .continuous { return true }
    return !status.looksClean
  }

  /// Whether systemd has to be asked how the unit's processes ended: what is known does not tell which of them failed, or
  /// whether one did.
  func needsCommands(_ history: UnitHistory) -> Bool {
    guard case .down = self.phase, let status, !status.isForgotten, status.serviceType != nil else {
      return false
    }
    switch status.activeState {
    case .failed:
      return UnitEnd.resultsOfProcesses.contains(status.result ?? "")
        && Self.failedCommand(of: status, history, nil) == nil
    case .inactive:
      return history.end(since: self.invocationID) == nil && !status.looksClean
    default:
      return false
    }
  }

  /// Whether the unit may have ended since the whole machine goes down: by a stop that neither the driver nor the unit
  /// itself is behind.
  func mayBeStoppedByShutdown(_ history: UnitHistory) -> Bool {
    guard case .down = self.phase, !self.isStopRequested else { return false }
    return history.end(since: self.invocationID).map { $0.isStopRequested || $0.isStoppedInPause } ?? true
  }

  /// The process whose failure is the result of a unit's last run; nil if it is not known.
  static func failedCommand(
    of status: UnitStatus, _ history: UnitHistory?, _ commands: ServiceCommands?
  ) -> FailedCommand? {
    guard let invocationID = status.invocationID else { return nil }
    if let command = history?.run(invocationID)?.failedCommand { return command }
    guard let commands, commands.invocationID == invocationID else { return nil }
    return commands.failures.first { $0.exit.isOf(status.result ?? "") }
  }

  /// Decides how the unit ended.
  ///
  /// - Parameters:
  ///   - history: what the journal says.
  ///   - commands: what systemd says of the unit's processes, where that was asked.
  mutating func conclude(_ history: UnitHistory, _ commands: ServiceCommands? = nil) -> [Effect] {
    guard case .down = self.phase, let status else { return [] }
    if let end = self.knownEnd(status, history, commands) {
      return self.end(ExitResult(status.id, end), at: history.end(since: self.invocationID)?.endTime)
    }
    if self.stoppedRun != nil { return self.end(ExitResult(exitCode: 0), at: nil) }
    if let reason = self.reasonOfUnknownEnd(status) {
      return self.end(ExitResult(unknownEndOf: status.id, because: reason), at: nil)
    }
    // systemd keeps what has failed, if nothing says otherwise.
    let event: [Effect] = self.isStopRequested ? [] : [.report(.endUnknown(unit: status.id))]
    return event + self.end(ExitResult(exitCode: 0), at: nil)
  }

  /// How the unit ended, by whoever tells of it; nil if nobody does.
  private func knownEnd(_ status: UnitStatus, _ history: UnitHistory, _ commands: ServiceCommands?)
    -> UnitEnd?
  {
    let failedCommand = Self.failedCommand(of: status, history, commands)
    if status.activeState == .failed { return UnitEnd(status, failedCommand: failedCommand) }
    if let run = history.end(since: self.invocationID), let end = UnitEnd(run) {
      // A stop in the pause before a restart is a good end, whatever the run before it was.
      let isInPause = self.isStopRequested && !run.isStopRequested && self.endBeforeRestart != nil
      return run.isStoppedInPause || isInPause ? .success : end
    }
    guard self.stoppedRun == nil else { return nil }
    if !status.isForgotten, let result = status.result, result != "success" {
      // Only the end of a pause before a restart leaves a unit inactive with the result of a failure.
      if self.isStopRequested { return .success }
      let end = result == "exec-condition" ? self.endBeforeRestart : nil
      guard result != "exec-condition" || end != nil else { return UnitEnd(status) }
      return (end ?? UnitEnd(status, failedCommand: failedCommand)).passedOver(because: Self.passedOver)
    }
    if let end = self.endBeforeRestart, end.result != "success" {
      return self.isStopRequested ? .success : end.passedOver(because: Self.passedOver)
    }
    guard !status.isForgotten else { return nil }
    // The status of a process that failed stays when the failure is reset.
    if let exit = status.mainProcessExit, exit != .exited(0) {
      guard let commands, commands.invocationID == status.invocationID else { return nil }
      return commands.failures.first.map {
        UnitEnd(result: $0.exit.result, mainProcessExit: exit, failedCommand: $0)
      } ?? .success
    }
    return .success
  }

  private static let passedOver =
    "a condition, an assertion or a unit that it requires; or somebody stopped it in the pause before"

  /// Why nothing is known of the end of a unit that may have failed; nil if nothing speaks for a failure.
  private func reasonOfUnknownEnd(_ status: UnitStatus) -> String? {
    if self.hasStartFailed { return "its start job failed" }
    guard status.isForgotten else { return nil }
    switch status.loadState {
    case .notFound, .error, .badSetting:
      return "systemd no longer has its definition (\(status.loadState))"
    case _ where status.isForgottenWhenFailed:
      return "its CollectMode= has systemd forget it"
    case _ where self.continuity == .disconnected:
      return "systemd could not be asked when it did"
    default:
      return nil
    }
  }

  private mutating func end(_ result: ExitResult, at time: RealtimeTimestamp?) -> [Effect] {
    let isDown = self.isOver && self.status?.activeState.isDown == true
    self.phase = .ended(result)
    self.endTime = time ?? (isDown ? self.status?.inactiveEnter ?? self.status?.mainProcessEnd : nil)
    return [.ended(result)]
  }
}

extension UnitStatus {
  /// Whether nothing that systemd says of an inactive unit speaks for a failure.
  fileprivate var looksClean: Bool {
    (self.result ?? "success") == "success" && (self.mainProcessExit ?? .exited(0)) == .exited(0)
  }
}

extension MainProcessExit {
  /// systemd's result of a failure by such an end.
  fileprivate var result: String {
    switch self {
    case .exited: "exit-code"
    case .killed: "signal"
    case .dumped: "core-dump"
    }
  }
}
