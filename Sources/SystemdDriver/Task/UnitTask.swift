import Transcripts
import AsyncPrimitives
import ExecHelper
import Foundation
import Logging
import NomadPlugin
import Processes
import Synchronization
import Systemd

/// A task: a unit, from the moment its start is asked for until Nomad destroys the task.
actor UnitTask {
  nonisolated let config: TaskConfig
  nonisolated let unit: UnitName
  private let configuration: TaskOptions
  private let start: Start
  /// Whether the task's job may have a unit: one that its own unit triggers, of which it is to see the logs.
  private let isAllowed: @Sendable (UnitName) -> Bool
  /// Where the journal was before the start.
  private let position: JournalPosition
  private let host: SystemdClient
  private let watcher: UnitWatcher
  private let events: TaskEventHub
  private let logs: LogDelivery
  private let logger: Logger
  private var lifecycle: UnitLifecycle {
    didSet { self.controlGroup.withLock { $0 = self.lifecycle.status?.controlGroup } }
  }
  /// The unit's control group, as systemd told it last: for those who read what it uses.
  private nonisolated let controlGroup = Mutex<String?>(nil)
  private var endedAt: Date?
  private var watch: UnitWatcher.Watch?
  /// When systemd was asked what it has told last: in microseconds since the boot.
  private var lookedAt: UInt64 = 0
  private var startBeganAt: ContinuousClock.Instant?
  private var startEndedAt: ContinuousClock.Instant?
  /// Of the unit's main process, where it is one of this host.
  private var mainProcess: ProcessExitMonitor?
  private var mainProcessID: Int32?
  private nonisolated let mainProcessEnds: AsyncStream<Int32>
  private nonisolated let mainProcessEnded: AsyncStream<Int32>.Continuation
  private nonisolated let unclearEnds: AsyncStream<UnitStatus>
  private nonisolated let unclearEnd: AsyncStream<UnitStatus>.Continuation
  /// What has happened since the start was asked for and before systemd has told about the unit.
  private var unreported: [TaskEventText] = []
  private let startedAt: Date
  private var suppressionReportedAt: ContinuousClock.Instant?
  /// The user of a run, where it has been asked for: a dynamic user is another one in each.
  private var knownUser: (run: String?, id: UInt32?)?

  /// How often it is reported that journald drops lines, at most.
  private static let suppressionInterval: Duration = .seconds(600)
  /// How many characters of what journald says of that are shown, at most.
  private static let suppressionLength = 200

  /// How long the lines of a unit that takes its time to start wait.
  private static let followDelay: Duration = .milliseconds(200)
  /// How long the end of a unit that is killed may take.
  private static let killLimit: Duration = .seconds(30)

  /// How a task begins.
  enum Start: Sendable {
    /// The unit's start is asked for. If it may be passed over since conditions are not met, that is looked for.
    case start(mayBeSkipped: Bool)
    /// An active unit's restart is asked for, of which the start may be passed over.
    case restart(mayBeSkipped: Bool)
    /// An active unit is taken as it is. Its start is not asked for: should it end now, that would run it again.
    case adoption
    /// A start was asked for earlier, at this time.
    case recovery(startedAt: Date?)
  }

  /// How long a look at a unit that has just been started, or stopped, is waited for.
  private static let lookLimit: Duration = .seconds(5)

  /// The pauses before the journal is asked again about an end.
  private static let journalPauses: [Duration] = [.seconds(1), .seconds(5)]

  /// Fulfilled when there is something to be seen of the unit: it is the turn of its start, or it was started before.
  private nonisolated let begun = Promise<Void>()
  /// Fulfilled when the start can be answered.
  private nonisolated let started = Promise<Result<Void, any Error>>()
  /// Fulfilled when systemd has told about the unit since it was started or taken up.
  private nonisolated let seen = Promise<Void>()
  /// Fulfilled when the unit has ended.
  private nonisolated let ended = Promise<ExitResult>()
  /// Fulfilled when the unit has ended and its lines are delivered.
  private nonisolated let exit = Promise<Result<ExitResult, any Error>>()
  /// Fulfilled when the task is to be forgotten.
  private nonisolated let dismissed = Promise<Void>()
  /// Fulfilled when nothing of the task runs any more.
  private nonisolated let finished = Promise<Void>()

  /// A task whose unit is to be started, or taken up.
  ///
  /// - Throws: `DriverError` if the logs cannot be delivered.
  init(
    _ config: TaskConfig, unit: UnitName, triggered: [UnitName] = [],
    isAllowed: @escaping @Sendable (UnitName) -> Bool, _ configuration: TaskOptions,
    _ start: Start, from position: JournalPosition, lifecycle: UnitLifecycle, host: SystemdClient,
    watcher: UnitWatcher,
    events: TaskEventHub, logger: Logger
  ) throws {
    var logger = logger
    logger[metadataKey: "task_id"] = "\(config.id)"
    logger[metadataKey: "unit"] = "\(unit)"
    self.config = config
    self.unit = unit
    self.configuration = configuration
    self.start = start
    self.position = position
    self.isAllowed = isAllowed
    self.startedAt = if case .recovery(let startedAt?) = start { startedAt } else { Date() }
    self.host = host
    self.watcher = watcher
    self.events = events
    self.logger = logger
    (self.mainProcessEnds, self.mainProcessEnded) = AsyncStream.makeStream(
      of: Int32.self, bufferingPolicy: .bufferingNewest(1))
    (self.unclearEnds, self.unclearEnd) = AsyncStream.makeStream(
      of: UnitStatus.self, bufferingPolicy: .bufferingNewest(1))
    self.lifecycle = lifecycle
    var collected = config
    if configuration.disablesLogCollection {
      collected.stdoutPath = "/dev/null"
      collected.stderrPath = "/dev/null"
    }
    self.logs = try LogDelivery(
      of: unit, and: configuration.logs.includeTriggered ? triggered : [], for: collected,
      configuration.logs,
      from: position, resumes: lifecycle.isRecovered, journalctl: host.journalctl, followers: host.followers,
      logger: logger)
  }

  /// Ends the logs that an earlier process of the plugin began, in place of ``run()``: the unit is not to be taken up.
  func abandon() async { await self.logs.forget() }

  /// Does all that the task needs, until it is dismissed or cancelled.
  func run() async {
    let isRecovered = self.lifecycle.isRecovered
    if isRecovered {
      self.begin()
      self.watcher.hint(self.unit)
    }
    defer { self.finished.fulfil(()) }
    await withDiscardingTaskGroup { group in
      group.addTask {
        // The journal keeps the lines; the start comes first.
        _ = try? await self.begun.value
        _ = try? await self.started.value(within: Self.followDelay)
        await self.logs.hold()
        if isRecovered, self.configuration.logs.includeTriggered {
          _ = try? await self.seen.value(within: Self.lookLimit)
        }
        await self.logs.follow { await self.take($0) }
      }
      group.addTask { await self.lookWhenMainProcessEnds() }
      group.addTask { await self.clearUpUnclearEnds() }
      if !isRecovered { group.addTask { await self.startUnit() } }
      _ = await self.hasEnded()
      group.cancelAll()
    }
    if let watch = self.watch { self.watcher.unwatch(self.unit, watch) }
    if let result = self.ended.current, (try? await self.logs.finish { await self.take($0) }) != nil {
      self.exit.fulfil(.success(result))
    }
    if (try? await self.dismissed.value) != nil {
      // Whoever waits for an end that was not seen waits no longer.
      self.exit.fulfil(.failure(DriverError.taskNotFound))
    }
  }

  /// Waits until the unit has ended or the task is dismissed, which a start that failed does as well; false if neither
  /// is so at the deadline.
  private nonisolated func hasEnded(by deadline: ContinuousClock.Instant? = nil) async -> Bool {
    await withTaskGroup(of: Bool.self) { group in
      group.addTask { (try? await self.ended.value) != nil }
      group.addTask { (try? await self.dismissed.value) != nil }
      if let deadline {
        group.addTask {
          try? await Task.sleep(until: deadline)
          return false
        }
      }
      defer { group.cancelAll() }
      return await group.next() ?? false
    }
  }

  // MARK: Start

  /// From now on the unit is watched. One whose start waits for others is not: systemd would read its file anew each time
  /// that it is asked about it.
  private func begin() {
    self.startBeganAt = .now
    self.watch = self.watcher.watch(self.unit) { [weak self] in await self?.observe($0) }
    self.begun.fulfil(())
  }

  private func startUnit() async {
    if case .adoption = self.start {
      self.begin()
      self.apply(self.lifecycle.startSucceeded())
      self.watcher.hint(self.unit)
      return
    }
    do {
      try await withThrowingTaskGroup(of: Void.self) { group in
        // A start can take as long as the unit's program: it is answered when that runs.
        group.addTask {
          try await self.begun.value
          for delay in Self.startLooks {
            try await Task.sleep(for: delay)
            self.watcher.hint(self.unit)
          }
        }
        defer { group.cancelAll() }
        if case .restart = self.start {
          try await self.host.systemctl.restart(self.unit) { await self.begin() }
        } else {
          try await self.host.systemctl.start(self.unit) { await self.begin() }
        }
      }
      if let skippedStart = try await self.skippedStart() {
        self.started.fulfil(.failure(DriverError.recoverable(skippedStart)))
        return
      }
      self.startEndedAt = .now
      self.apply(self.lifecycle.startSucceeded())
      self.watcher.hint(self.unit)
    } catch is CancellationError {
      self.started.fulfil(.failure(CancellationError()))
    } catch {
      await self.startFailed(error)
    }
  }

  /// When to look at a unit while its start is under way, each after the one before: soon for those that are quick, and
  /// when a service has had its time to become ready.
  private static let startLooks: [Duration] = [
    .milliseconds(50), .milliseconds(200), .milliseconds(750),
    UnitLifecycle.readinessPatience - .milliseconds(900),
  ]

  /// Why systemd has passed over the start, if it has: a start job whose conditions are not met succeeds.
  ///
  /// - Throws: if the unit does not run and the journal does not answer: nobody knows then whether it did.
  private func skippedStart() async throws -> String? {
    let (done, did): (String, String)
    switch self.start {
    case .start(mayBeSkipped: true): (done, did) = ("start", "did nothing")
    case .restart(mayBeSkipped: true): (done, did) = ("restart", "did no more than stop it")
    default: return nil
    }
    guard case .starting = self.lifecycle.phase,
      let status = try? await self.host.show(self.unit), status.activeState == .inactive,
      let skippedStart = try await self.host.journalctl.history(of: self.unit, after: self.position)
        .skippedStart
    else { return nil }
    try Task.checkCancellation()
    return
      "systemctl \(done) \(self.unit) \(did): \(skippedStart) `systemctl cat \(self.unit)` shows all conditions."
  }

  private func startFailed(_ error: any Error) async {
    let status = try? await self.statusAfterFailedStart()
    var history: UnitHistory?
    if status?.isForgotten == true {
      // It may have run, and ended, before.
      history = try? await self.host.journalctl.history(of: self.unit, after: self.position)
    }
    if Task.isCancelled { return self.started.fulfil(.failure(CancellationError())) }
    if case .starting = self.lifecycle.phase {
      guard let status, let effects = self.lifecycle.startFailed(status, history: history) else {
        let text = ["\(error)", self.cause(of: error, status, history), await self.failedRequirements(error)]
          .compactMap(\.self).joined(separator: " ")
        let isTemporary = (error as? SystemdError)?.isTemporary == true
        self.started.fulfil(
          .failure(isTemporary ? DriverError.recoverable(text) : DriverError.unrecoverable(text)))
        return
      }
      self.apply(effects)
    }
    // Answered already: what became of the unit is what Nomad is to hear.
    self.watcher.hint(self.unit)
  }

  private func cause(of error: any Error, _ status: UnitStatus?, _ history: UnitHistory?) -> String? {
    guard let status else { return nil }
    if (error as? SystemdError)?.reason == .jobFailed, self.lifecycle.isPreviousRun(status) {
      // systemctl tells how the run before ended.
      return "(systemd refused to run it: it was started too often (StartLimitBurst=). "
        + "systemctl reset-failed \(self.unit) allows it again.)"
    }
    return ExitResult(status, history: history)?.message.map { "(\($0))" }
  }

  /// What becomes of a unit whose start job has failed: its job ends before the unit has stopped.
  private func statusAfterFailedStart() async throws -> UnitStatus {
    while true {
      let status = try await self.host.showPatiently(self.unit)
      guard status.activeState == .deactivating else { return status }
      try await Task.sleep(for: .milliseconds(100))
    }
  }

  /// The units whose failure has made the start fail.
  private func failedRequirements(_ error: any Error) async -> String? {
    guard (error as? SystemdError)?.reason == .dependencyFailed,
      let units = try? await self.host.systemctl.requirements(of: self.unit),
      let listings = try? await self.host.systemctl.listUnits(units)
    else { return nil }
    let failed = units.filter {
      listings[$0].map { $0.activeState == .failed || $0.loadState != .loaded } ?? true
    }
    return failed.isEmpty
      ? nil
      : "Of the units that it requires, these are not active: " + failed.map(\.name).joined(separator: ", ")
  }

  /// Waits until the start can be answered.
  ///
  /// - Throws: why it failed.
  nonisolated func waitForStart() async throws { try await self.started.value.get() }

  // MARK: State

  func observe(_ look: UnitWatcher.Look) async {
    let (status, askedAt) = (look.status, look.askedAt)
    // An answer from before the end of the start job can be about the run before.
    if let startEndedAt = self.startEndedAt, askedAt < startEndedAt { return }
    self.lookedAt = Self.microsecondsSinceBoot(at: askedAt)
    // Before anybody learns that the unit was seen: a recovered task's logs wait for that.
    if self.configuration.logs.includeTriggered {
      await self.logs.setTriggered(status.triggeredUnits(self.isAllowed))
    }
    let waited = self.startBeganAt.map { askedAt - $0 } ?? .zero
    let effects = self.lifecycle.observe(status, waited: waited, continuity: look.continuity)
    if self.lifecycle.phase != .starting {
      self.seen.fulfil(())
      self.reportAll()
    }
    self.apply(effects)
    guard !self.host.isRemote, status.mainProcessID != self.mainProcessID else { return }
    self.mainProcessID = status.mainProcessID
    self.mainProcess = nil
    guard let processID = status.mainProcessID else { return }
    self.mainProcess = ProcessExitMonitor(of: processID) { [mainProcessEnded] in
      mainProcessEnded.yield(processID)
    }
    // It may have ended already.
    if self.mainProcess == nil { self.mainProcessEnded.yield(processID) }
  }

  /// As the journal counts them: by `CLOCK_MONOTONIC` (clock_gettime(2)).
  private static func microsecondsSinceBoot(at instant: ContinuousClock.Instant) -> UInt64 {
    let age = (ContinuousClock.now - instant) / .microseconds(1)
    let now = Linux.microseconds(CLOCK_MONOTONIC)
    return now - min(now, UInt64(max(age, 0)))
  }

  private func take(_ news: LogDelivery.News) {
    switch news {
    case .lifecycle(let time):
      // What was said before systemd was asked is in its answer. (Another host's clock is not known.)
      if self.host.isRemote || time >= self.lookedAt { self.watcher.hint(self.unit) }
    case .suppressed(let text): self.reportSuppression(text)
    case .unavailable(let reason): self.report(.logsUnavailable(unit: self.unit.name, reason: reason))
    }
  }

  private func reportSuppression(_ text: String) {
    // journald says it every 30 s; an operator needs to hear it now and then.
    let now = ContinuousClock.now
    if let last = self.suppressionReportedAt, now - last < Self.suppressionInterval { return }
    self.suppressionReportedAt = now
    // It names a process, which can have any name.
    let shown = String(DisplayText(text.utf8).text.prefix(Self.suppressionLength))
    self.report(.logsSuppressed(unit: self.unit.name, text: shown))
  }

  /// Has the unit looked at when its main process has ended, until systemd has seen that as well.
  private func lookWhenMainProcessEnds() async {
    for await processID in self.mainProcessEnds {
      for delay in [0, 5, 10, 20, 40, 80, 160] {
        try? await Task.sleep(for: .milliseconds(delay))
        guard self.lifecycle.status?.mainProcessID == processID else { break }
        self.watcher.hint(self.unit)
      }
    }
  }

  private func apply(_ effects: [UnitLifecycle.Effect]) {
    for effect in effects {
      switch effect {
      case .started:
        self.started.fulfil(.success(()))
      case .ended(let result):
        self.endedAt = Date()
        self.logger.info(
          "The unit has ended.",
          metadata: [
            "exit_code": "\(result.exitCode)", "signal": "\(result.signal)",
            "reason": "\(result.message ?? "")",
          ])
        self.ended.fulfil(result)
        self.reportAll()
      case .report(let text):
        self.report(text)
      case .consultJournal:
        if let status = self.lifecycle.status { self.unclearEnd.yield(status) }
      }
    }
  }

  /// Asks the journal about ends of which systemd does not tell all.
  private func clearUpUnclearEnds() async {
    for await status in self.unclearEnds {
      guard let history = await self.askJournal() else { return }
      // Somebody may have started it again meanwhile.
      guard self.lifecycle.status == status else { continue }
      self.apply(self.lifecycle.observe(status, history: history))
    }
  }

  /// What the journal says of the unit; nil if the task was cancelled.
  private func askJournal() async -> UnitHistory? {
    let (journalctl, unit) = (self.host.journalctl, self.unit)
    do {
      // What is not known is no end: a journald that has much to do, or starts anew, is given time.
      return try await SystemdError.retrying(after: Self.journalPauses, if: { _ in true }) {
        try await journalctl.history(of: unit)
      }
    } catch is CancellationError {
      return nil
    } catch {
      self.logger.warning("The journal does not tell how the unit ended.", metadata: ["error": "\(error)"])
      // What was written before is still there.
      return (try? await journalctl.history(of: unit, isSynced: false)) ?? UnitHistory()
    }
  }

  /// Reports what happened to the unit, with what systemd says of it: once it has said something of the run that the
  /// task is.
  func report(_ text: TaskEventText) {
    self.unreported.append(text)
    if self.seen.current != nil || !self.isRunning { self.reportAll() }
  }

  private func reportAll() {
    for text in self.unreported { self.emit(text) }
    self.unreported = []
  }

  private func emit(_ text: TaskEventText) {
    var annotations = ["unit": self.unit.name]
    if let status = self.lifecycle.status {
      annotations["state"] = "\(status.activeState)"
      annotations["result"] = status.result
      annotations["invocation_id"] = status.invocationID
    }
    self.events.report(text, of: self.config, annotations: annotations)
  }

  /// What systemd told of the unit last.
  var status: UnitStatus? { self.lifecycle.status }

  /// The number of the user that the unit's processes begin as in a run, as far as systemd tells one.
  ///
  /// - Throws: `SystemdError`, `CancellationError`.
  func userID(in run: String?) async throws -> UInt32? {
    if let known = self.knownUser, known.run == run { return known.id }
    let properties = try await self.host.systemctl.properties(["User", "DynamicUser", "UID"], of: self.unit)
    let context = ExecContext.HostContext(properties: properties)
    // systemd learns the number from the process that it has started.
    let isToCome = context.userID == nil && (context.user != nil || properties["DynamicUser"] == "yes")
    if !isToCome { self.knownUser = (run, context.userID) }
    return context.userID
  }

  /// The unit's run that was seen last.
  var invocationID: String? { self.lifecycle.status?.invocationID }

  /// Whether the unit has not ended, as far as is known.
  nonisolated var isRunning: Bool { self.ended.current == nil }

  /// Waits until the unit has ended and its lines are delivered.
  nonisolated func waitForExit() async throws -> ExitResult { try await self.exit.value.get() }

  func inspect() async -> TaskStatus {
    _ = try? await self.seen.value(within: Self.lookLimit)
    var attributes = ["unit": self.unit.name]
    if let status = self.lifecycle.status {
      attributes["load_state"] = "\(status.loadState)"
      attributes["active_state"] = "\(status.activeState)"
      attributes["sub_state"] = status.subState
      attributes["result"] = status.result
      attributes["invocation_id"] = self.lifecycle.invocationID
      attributes["main_pid"] = status.mainProcessID.map(String.init)
      attributes["restarts"] = status.restartCount.map(String.init)
      attributes["control_group"] = status.controlGroup
    }
    return TaskStatus(
      id: self.config.id, name: self.config.name, state: self.isRunning ? .running : .exited,
      startedAt: self.lifecycle.startTime?.date ?? self.startedAt,
      completedAt: self.isRunning ? nil : self.lifecycle.endTime?.date ?? self.endedAt,
      exitResult: self.ended.current, driverAttributes: attributes)
  }

  // MARK: Usage

  /// Reports what the unit uses, at once and then every `interval`, until it has ended.
  ///
  /// - Throws: what `report` throws; `CancellationError`.
  nonisolated func reportUsage(
    every interval: Duration, topology: Topology?,
    _ report: @Sendable (TaskResourceUsage) async throws -> Void
  ) async throws {
    guard self.isRunning else { return }
    // Until then its control group is not known.
    if self.seen.current == nil { _ = try? await self.seen.value(within: Self.lookLimit) }
    let (samples, sampling) = self.host.usage.samples(every: interval) {
      self.controlGroup.withLock { $0 }
    }
    try await withThrowingDiscardingTaskGroup { group in
      group.addTask {
        _ = await self.hasEnded()
        sampling.finish()
      }
      defer { group.cancelAll() }
      var statistics = UnitStatistics(topology: topology)
      var hasFailed = false
      for await sample in samples {
        do {
          var usage = sample
          if usage == nil {
            usage = try await self.host.usage.usage(of: self.unit, in: self.controlGroup.withLock { $0 })
          }
          hasFailed = false
          if let usage { try await report(statistics.sample(usage, at: Date())) }
        } catch let error as SystemdError {
          if !hasFailed {
            self.logger.warning("What the unit uses is not known.", metadata: ["error": "\(error)"])
          }
          hasFailed = true
        }
      }
    }
    try Task.checkCancellation()
  }

  // MARK: Signals

  /// Sends a signal to the processes of the unit that the job's `signal_to` says.
  ///
  /// - Throws: `DriverError`: unrecoverable if there is no such signal or the unit has ended, recoverable if it has no
  ///   such process.
  nonisolated func signal(_ signal: String) async throws {
    try self.checkRunning()
    let whom = self.configuration.signalTo
    do {
      try await self.host.systemctl.kill(self.unit, signal: signal, whom: whom)
    } catch let error as SystemdError {
      try self.checkRunning()
      guard error.isTemporary else { throw DriverError.unrecoverable("\(error)") }
      let hint =
        error.reason == .noProcess
        ? " The signal was for the task's signal_to = \"\(whom.rawValue)\"; it can be \"main\", \"control\" or \"all\"."
        : ""
      throw DriverError.recoverable("\(error)\(hint)")
    }
    self.logger.info("A signal was sent.", metadata: ["signal": "\(signal)", "to": "\(whom.rawValue)"])
  }

  private nonisolated func checkRunning() throws {
    guard self.isRunning else {
      throw DriverError.unrecoverable(
        "The signal was not sent: the task has ended, and \(self.unit) with it.")
    }
  }

  // MARK: Stop

  /// Stops the unit: gracefully, and by SIGKILL after the timeout.
  func stop(timeout: Duration, signal: String?) async throws {
    guard self.isRunning else { return }
    if self.configuration.onStop == .leave {
      self.report(.left(unit: self.unit.name))
      self.apply(self.lifecycle.leave())
      return
    }
    self.report(.stopping(unit: self.unit.name))
    let deadline = ContinuousClock.now + timeout
    if case .starting = self.lifecycle.phase {
      // Its systemctl start may wait for others; it must not come after the stop.
      self.started.fulfil(
        .failure(DriverError.recoverable("The task was stopped before \(self.unit) had started.")))
      await self.dismiss()
    }
    if let signal, !signal.isEmpty, self.dismissed.current == nil {
      do {
        _ = try? await self.seen.value(within: Self.lookLimit)
        let processID = self.lifecycle.status?.mainProcessID
        try await self.host.systemctl.kill(self.unit, signal: signal, whom: .main)
        await self.waitForEnd(ofMainProcess: processID, by: deadline)
      } catch let error as SystemdError {
        // There may be no main process; the stop comes in any case.
        self.logger.warning("The job's kill_signal was not sent.", metadata: ["error": "\(error)"])
      }
    }
    let rest = max(.zero, ContinuousClock.now.duration(to: deadline))
    // Where many units are stopped it waits for its turn, and the unit has not been asked before that.
    let asked = Promise<Void>()
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        if rest > .zero {
          guard (try? await asked.value) != nil, (try? await Task.sleep(for: rest)) != nil else { return }
        }
        await self.report(.killing(unit: self.unit.name))
        // Again and again: commands of the unit that are run when it stops begin only then.
        while !Task.isCancelled {
          try? await self.host.systemctl.kill(self.unit, signal: "SIGKILL", whom: .all)
          try? await Task.sleep(for: .seconds(1))
        }
      }
      // Stopping also keeps systemd from starting the unit again (Restart=), so it is done in any case.
      group.addTask {
        do {
          try await self.host.systemctl.stop(self.unit, timeLimit: rest + Self.killLimit) { asked.fulfil(()) }
        } catch let error as SystemdError where error.reason == .unitNotFound {
          // It has ended, and is gone.
        }
      }
      // A systemctl that hangs is not waited for when there is nothing left to stop.
      group.addTask {
        _ = try await self.ended.value
        try await Task.sleep(for: Self.lookLimit)
      }
      defer { group.cancelAll() }
      try await group.next()
    }
    self.watcher.hint(self.unit)
    // The watcher sees it at once, unless it has much to do. If the unit runs on, Nomad tries again.
    guard await self.isDown(by: .now + Self.lookLimit) else {
      throw DriverError.recoverable(
        "systemctl stop \(self.unit) has succeeded, but systemd does not say that the unit has ended. See: systemctl "
          + "status \(self.unit)")
    }
    await self.reportTriggers()
  }

  /// Whether the unit has ended: at the deadline systemd is asked once more.
  private func isDown(by deadline: ContinuousClock.Instant) async -> Bool {
    if await self.hasEnded(by: deadline) { return true }
    let askedAt = ContinuousClock.now
    guard let status = try? await self.host.showPatiently(self.unit) else { return false }
    await self.observe(UnitWatcher.Look(status: status, askedAt: askedAt))
    return status.activeState == .inactive || status.activeState == .failed
  }

  /// Waits until the unit has ended, or its main process has: systemd would start it again (Restart=).
  private func waitForEnd(ofMainProcess processID: Int32?, by deadline: ContinuousClock.Instant) async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { _ = await self.hasEnded(by: deadline) }
      if let processID, !self.host.isRemote {
        group.addTask {
          let ended = Promise<Void>()
          let end = ProcessExitMonitor(of: processID) { ended.fulfil(()) }
          if end != nil { _ = try? await ended.value }
          withExtendedLifetime(end) {}
        }
      }
      if let replay = self.host.replay {
        // The end of the process made the driver go on when this was recorded.
        group.addTask { try? await replay.waitForNextChange(of: self.unit) }
      }
      await group.next()
      group.cancelAll()
    }
  }

  /// Tells which units could start the unit again, now that it is stopped.
  private func reportTriggers() async {
    let triggers = self.lifecycle.status?.triggeredBy.compactMap { try? UnitName($0) } ?? []
    guard !triggers.isEmpty, let listings = try? await self.host.systemctl.listUnits(triggers) else { return }
    let active = listings.filter { $0.value.activeState == .active }.keys.map(\.name).sorted()
    if !active.isEmpty { self.report(.triggers(unit: self.unit.name, names: active)) }
  }

  /// Makes systemd forget that the unit has failed, so that its start limit does not refuse the next start.
  ///
  /// - Throws: `CancellationError`.
  func resetFailure() async throws {
    guard self.lifecycle.status?.activeState == .failed else { return }
    do {
      try await SystemdError.retrying(
        after: [.seconds(1), .seconds(1)],
        if: { $0.reason != .unitNotFound && $0.reason != .accessDenied }
      ) {
        [host, unit] in
        try await host.systemctl.resetFailed(unit)
      }
    } catch let error as SystemdError {
      self.logger.warning("The failed unit was not reset.", metadata: ["error": "\(error)"])
    }
  }

  /// Ends all that runs for the task and closes its logs; the unit stays as it is.
  nonisolated func dismiss() async {
    self.dismissed.fulfil(())
    // Unstructured, since it is to be awaited in a cancelled task as well.
    await Task { _ = try? await self.finished.value }.value
    await self.logs.forget()
  }
}
