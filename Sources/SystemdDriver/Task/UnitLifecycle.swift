import NomadPlugin
import Systemd

/// What a task's unit does and what it means to Nomad: a pure function from what was known and what systemd says
/// now to what is known and what to do.
struct UnitLifecycle: Sendable, Hashable {
  enum Phase: Sendable, Hashable {
    /// The start job has not ended and the unit's program does not run yet.
    case starting
    case running
    case ended(ExitResult)
  }

  enum Effect: Sendable, Hashable {
    /// The start can be answered.
    case started
    /// The end can be answered.
    case ended(ExitResult)
    case report(TaskEventText)
    /// The unit has ended and systemd has forgotten how: the journal is to be asked, and its answer given to
    /// ``UnitLifecycle/observe(_:waited:history:)`` with the same status.
    case consultJournal
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
  init(recovered invocationID: String?, isSameBoot: Bool) {
    self.phase = .running
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
  ///   - history: what the journal says, where it had to be asked.
  mutating func observe(
    _ status: UnitStatus, waited: Duration = .zero, continuity: Continuity = .continuous,
    history: UnitHistory? = nil
  ) -> [Effect] {
    self.continuity = max(self.continuity, continuity)
    switch self.phase {
    case .ended:
      return []
    case .starting:
      // Inactive or failed now is what the unit was before the start.
      self.status = status
      if self.isPreviousRun(status) { return [] }
      guard status.activeState == .active || Self.programRuns(status, waited: waited) else { return [] }
      return self.run(status, history)
    case .running:
      return self.run(status, history)
    }
  }

  /// Whether a status is still that of the run before the one that a start was asked for.
  func isPreviousRun(_ status: UnitStatus) -> Bool {
    self.previousInvocationID.map { $0 == status.invocationID } ?? false
  }

  /// Whether the program of a unit that is not yet active runs, and that is enough: the program is all there is to a
  /// oneshot; a service that is to say when it is ready is given some time for that.
  private static func programRuns(_ status: UnitStatus, waited: Duration) -> Bool {
    guard status.activeState == .activating, status.subState == "start" || status.subState == "start-post"
    else {
      return false
    }
    if status.serviceType == "oneshot" { return status.mainProcessID != nil }
    return waited >= Self.readinessPatience
      && (status.mainProcessID != nil || status.controlProcessID != nil)
  }

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
  /// - Returns: nil if the start is to fail; otherwise what to do, since the task has started all the same.
  mutating func startFailed(_ status: UnitStatus, history: UnitHistory?) -> [Effect]? {
    guard case .starting = self.phase else { return [] }
    guard status.jobID == nil, let result = ExitResult(status, history: history) else {
      // A restart that was refused.
      if status.jobID == nil, self.isPreviousRun(status) { return nil }
      // systemd goes on by itself (Restart=): the unit is the task's, and is stopped with it.
      return self.startSucceeded()
    }
    // Where a start is nothing but running the program, one that ran and failed has started, and has ended. (The job of
    // a simple service fails as well if the program is quick to.)
    // It has succeeded where nothing but systemctl failed, say as systemd executed itself anew.
    var end: UnitHistory.End?
    var exit = status.mainProcessExit
    if status.isForgotten {
      end = history?.end(since: nil)
      exit = end?.mainProcessExit ?? (end?.result == "success" ? .exited(0) : nil)
      if let end, end.invocationID == self.previousInvocationID { return nil }
    }
    guard let exit, Self.startIsRunning(status.serviceType, exit), !self.isPreviousRun(status) else {
      return nil
    }
    self.status = status
    return self.startSucceeded() + self.end(result, end)
  }

  private static func startIsRunning(_ serviceType: String?, _ exit: MainProcessExit) -> Bool {
    switch serviceType {
    case "simple", "idle": true
    case "oneshot", "exec": ServiceExitStatus(exit) == nil
    default: false
    }
  }

  /// The unit is handed back as it is: to Nomad that is a good end.
  mutating func leave() -> [Effect] {
    if case .ended = self.phase { return [] }
    return self.end(ExitResult(exitCode: 0), nil)
  }

  private mutating func end(_ result: ExitResult, _ end: UnitHistory.End?) -> [Effect] {
    self.phase = .ended(result)
    let isDown = self.status.map(\.activeState.isDown) ?? false
    self.endTime = end?.time ?? (isDown ? self.status?.inactiveEnter ?? self.status?.mainProcessEnd : nil)
    return [.ended(result)]
  }

  private mutating func run(_ status: UnitStatus, _ history: UnitHistory?) -> [Effect] {
    var effects: [Effect] = []
    if case .starting = self.phase { effects.append(.started) }
    self.phase = .running
    let before = self.status
    self.status = status
    self.startTime = status.mainProcessStart ?? status.activeEnter ?? self.startTime
    if let invocationID = status.invocationID {
      let restartCount = status.restartCount ?? 0
      let isFirstRunUnseen = self.invocationID == nil && !self.isRecovered && restartCount > 0
      if self.invocationID.map({ $0 != invocationID }) ?? isFirstRunUnseen {
        // systemd counts a restart before the next run begins, and from 0 after a start by request.
        let isRestartBySystemd = restartCount > self.restartCount
        let reason = before?.subState?.hasPrefix("auto-restart") == true ? before?.result : nil
        effects.append(
          .report(
            isRestartBySystemd
              ? .restarted(unit: status.id, count: restartCount, reason: reason)
              : .replaced(unit: status.id)))
      }
      if self.invocationID != invocationID { self.restartCount = restartCount }
      self.invocationID = invocationID
    }
    if status.needsDaemonReload == true, !self.needsDaemonReload {
      effects.append(.report(.needsDaemonReload(unit: status.id)))
    }
    self.needsDaemonReload = status.needsDaemonReload == true
    let result = ExitResult(
      status, history: history, of: self.invocationID, isKnownIfForgotten: self.continuity != .disconnected)
    let isUndefined = status.loadState == .notFound
    if isUndefined, !self.isUndefined, result == nil { effects.append(.report(.undefined(unit: status.id))) }
    self.isUndefined = isUndefined
    // With a job the unit is on its way to somewhere else: a restart goes through inactive.
    guard status.jobID == nil, let result else {
      self.continuity = .continuous
      return effects
    }
    if history == nil, self.needsHistory(status) {
      return effects + [.consultJournal]
    }
    return effects + self.end(result, history?.end(since: self.invocationID))
  }

  /// Whether systemd's own answer about a unit that is inactive may not be all. It keeps a unit that has failed, if
  /// nothing says otherwise, so one that is forgotten has ended cleanly; but while nobody polled, somebody could make
  /// systemd forget the failure.
  private func needsHistory(_ status: UnitStatus) -> Bool {
    guard status.activeState == .inactive else { return false }
    let wasUnwatched = self.continuity != .continuous
    guard status.isForgotten else {
      return wasUnwatched && status.mainProcessExit.map { $0 != .exited(0) } ?? false
    }
    return wasUnwatched || status.isForgottenWhenFailed || status.loadState != .loaded
  }
}
