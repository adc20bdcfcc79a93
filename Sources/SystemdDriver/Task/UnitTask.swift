import AsyncPrimitives
import ControlGroups
import Foundation
import Logging
import NomadPlugin
import Processes
import Synchronization
import Systemd

/// A task: a unit, from the moment its start is asked for until Nomad destroys the task.
///
/// It keeps what is known of the unit and performs what ``UnitLifecycle`` decides.
actor UnitTask {
  /// How a task begins.
  enum Origin: Sendable {
    /// Its start is asked for now.
    case start(StartPlan)
    /// It was started earlier, at this time if that is known.
    case recovery(startedAt: Date?)
  }

  nonisolated let config: TaskConfig
  nonisolated let unit: UnitName
  nonisolated let options: TaskOptions
  nonisolated let milestones = TaskMilestones()
  /// What makes the task this plugin's.
  nonisolated let claim: TaskClaim
  nonisolated let record: TaskRecordKeeper
  /// Whose processes the unit's are.
  nonisolated let users: UnitUserCache

  private let starter: UnitStarter?
  /// Whether the task's job may have a unit: one that its own unit triggers, of which it is to see the logs.
  private let isAllowed: @Sendable (UnitName) -> Bool
  nonisolated let systemd: SystemdClient
  let watcher: UnitWatcher
  let journal: UnitJournal
  nonisolated let logger: Logger
  let startedAt: Date
  private nonisolated let mainProcess = MainProcessWatcher()
  /// The unit's control group, as systemd told it last; nil if it has none or is not known yet.
  nonisolated var controlGroup: String? { self.lastControlGroup.withLock { $0 } }
  private nonisolated let lastControlGroup = Mutex<String?>(nil)
  /// Where the task's part of the journal begins.
  let logsBegin: JournalPosition
  /// What the journal has said of the unit.
  private(set) var history = UnitHistory()

  var lifecycle: UnitLifecycle {
    didSet {
      self.lastControlGroup.withLock { $0 = self.lifecycle.status?.controlGroup }
      self.record.take(self.lifecycle)
    }
  }
  private var reporter: TaskEventReporter
  private(set) var endedAt: Date?
  var watch: UnitWatcher.Watch?
  /// When systemd was asked what it has told last, in microseconds since the boot.
  private(set) var observedAt: UInt64 = 0
  /// When it had told that.
  private(set) var answeredAt: UInt64 = 0
  var startIssuedAt: ContinuousClock.Instant?
  var startDoneAt: ContinuousClock.Instant?
  var stopDoneAt: ContinuousClock.Instant?

  /// How long an observation of a unit that has just been started, or stopped, is waited for.
  static let observationTimeout: Duration = .seconds(5)
  /// How long the lines of a unit that takes its time to start wait.
  private static let followDelay: Duration = .milliseconds(200)
  /// When to poll a unit whose main process has ended, each after the one before, until systemd has seen that as well.
  private static let endPollDelays: [Duration] = [0, 5, 10, 20, 40, 80, 160].map { .milliseconds($0) }

  /// A task whose unit is to be started, or recovered.
  ///
  /// - Parameters:
  ///   - triggered: the units that the unit triggers, as far as that is known.
  ///   - isAllowed: whether the task's job may have a unit.
  ///   - logsBegin: where the task's logs begin.
  ///   - claim: what makes the task this plugin's.
  /// - Throws: `DriverError` if the logs cannot be delivered.
  init(
    _ config: TaskConfig, unit: UnitName, triggered: [UnitName] = [],
    isAllowed: @escaping @Sendable (UnitName) -> Bool, _ options: TaskOptions, _ origin: Origin,
    logsBegin: JournalPosition, lifecycle: UnitLifecycle, claim: TaskClaim, record: TaskRecordKeeper,
    engine: DriverEngine, events: TaskEventHub, logger: Logger
  ) throws {
    var logger = logger
    logger[metadataKey: "task_id"] = "\(config.id)"
    logger[metadataKey: "unit"] = "\(unit)"
    self.config = config
    self.unit = unit
    self.options = options
    self.isAllowed = isAllowed
    self.systemd = engine.systemd
    self.watcher = engine.watcher
    self.logger = logger
    self.users = UnitUserCache(unit, engine.systemd.systemctl)
    self.claim = claim
    self.record = record
    self.reporter = TaskEventReporter(config, unit: unit, hub: events, claim: claim)
    self.logsBegin = logsBegin
    self.lifecycle = lifecycle
    if case .ended(let result) = lifecycle.phase {
      self.milestones.unitEnded.fulfil(result)
      self.milestones.unitDown.fulfil(())
    }
    switch origin {
    case .start(let plan):
      self.starter = UnitStarter(unit: unit, plan: plan, systemd: engine.systemd)
      self.startedAt = Date()
    case .recovery(let startedAt):
      self.starter = nil
      self.startedAt = startedAt ?? Date()
    }
    var collected = config
    if options.disablesLogCollection {
      collected.stdoutPath = "/dev/null"
      collected.stderrPath = "/dev/null"
    }
    self.journal = try UnitJournal(
      of: unit, and: options.logs.includeTriggered ? triggered : [], for: collected, options.logs,
      from: logsBegin, resumes: lifecycle.isRecovered, bootID: engine.systemd.location.bootID,
      mayLoseEntries: engine.systemd.location.replay == nil, journalctl: engine.systemd.journalctl,
      followers: engine.systemd.followers, logger: logger)
  }

  // MARK: Running

  /// Does all that the task needs, until it is removed or cancelled.
  func run() async {
    let isRecovered = self.starter == nil
    if isRecovered {
      self.beginWatching()
      self.watcher.hint(self.unit)
    }
    defer { self.milestones.finished.fulfil(()) }
    await withDiscardingTaskGroup { group in
      group.addTask { await self.followJournal(isRecovered: isRecovered) }
      group.addTask { await self.pollWhenMainProcessEnds() }
      if let starter = self.starter { group.addTask { await self.start(starter) } }
      _ = await self.milestones.hasEnded()
      group.cancelAll()
    }
    if let watch = self.watch { self.watcher.unwatch(self.unit, watch) }
    if !self.isRunning, (try? await self.finishLogs()) != nil {
      await self.conclude()
      if let result = self.milestones.unitEnded.current {
        self.record.logsAreDelivered()
        self.milestones.exitDelivered.fulfil(.success(result))
      }
    }
    if (try? await self.milestones.removed.value) != nil {
      // Fails the WaitTask calls of an end that was not seen.
      self.milestones.exitDelivered.fulfil(.failure(DriverError.taskNotFound))
    }
  }

  private func followJournal(isRecovered: Bool) async {
    // The journal keeps the lines; the start comes first.
    _ = try? await self.milestones.startIssued.value
    _ = try? await self.milestones.startAnswered.value(within: Self.followDelay)
    await self.journal.logs?.keepFIFOsOpen()
    if isRecovered, self.options.logs.includeTriggered { await self.waitForFirstObservation() }
    // A recording of a task without logs may have no follower.
    guard self.journal.logs != nil || self.systemd.location.replay == nil else { return }
    await self.journal.follow { await self.take($0) }
  }

  /// Ends the logs that an earlier process of the plugin began, in place of ``run()``: the unit is not to be recovered.
  func abandon() async { await self.journal.logs?.forget() }

  /// Ends all that runs for the task and closes its logs; the unit stays as it is.
  nonisolated func remove() async {
    self.milestones.removed.fulfil(())
    // Unstructured, since it is to be awaited in a cancelled task as well.
    await Task { _ = try? await self.milestones.finished.value }.value
    await self.journal.logs?.forget()
  }

  // MARK: Observations

  /// Takes what systemd says of the unit.
  func observe(_ observation: UnitWatcher.Observation) async {
    guard self.claim.isHeld else { return }
    let (status, askedAt) = (observation.status, observation.askedAt)
    // An answer from before the end of the start job can be about the run before.
    if let startDoneAt = self.startDoneAt, askedAt < startDoneAt { return }
    // And one from before the end of the stop job about what is stopped.
    if let stopDoneAt = self.stopDoneAt, askedAt < stopDoneAt { return }
    if !self.lifecycle.isOver {
      self.observedAt = Self.microsecondsSinceBoot(at: askedAt)
      self.answeredAt = Self.microsecondsSinceBoot(at: .now)
    }
    // Before the first observation is told: a recovered task's logs wait for that.
    if self.options.logs.includeTriggered {
      await self.journal.setTriggered(status.triggeredUnits(self.isAllowed))
    }
    let waited = self.startIssuedAt.map { askedAt - $0 } ?? .zero
    let effects = self.lifecycle.observe(
      status, waited: waited, continuity: observation.continuity, now: askedAt)
    if self.lifecycle.phase != .starting {
      self.milestones.firstObserved.fulfil(())
      self.reporter.flush(self.lifecycle.status)
    }
    self.apply(effects)
    if self.systemd.location.isLocal { self.mainProcess.watch(status.mainProcessID) }
  }

  /// As the journal counts them: by `CLOCK_MONOTONIC` (clock_gettime(2)).
  private static func microsecondsSinceBoot(at instant: ContinuousClock.Instant) -> UInt64 {
    let age = (ContinuousClock.now - instant) / .microseconds(1)
    let now = Linux.microseconds(CLOCK_MONOTONIC)
    return now - min(now, UInt64(max(age, 0)))
  }

  func take(_ event: UnitJournal.Event) {
    switch event {
    case .lifecycle(let entry):
      guard entry.subjectUnit == self.unit.name else { return }
      self.history.append(entry)
      // What was said before systemd was asked is in its answer. (Another host's clock is not known.)
      if !self.systemd.location.isLocal || entry.monotonicMicroseconds >= self.observedAt {
        self.watcher.hint(self.unit)
      }
    case .suppressed(let text):
      self.reporter.addSuppression(text)
      self.flushEvents()
    case .unavailable(let reason):
      self.report(.logsUnavailable(unit: self.unit.name, reason: reason))
    case .lost(let begin, let end):
      self.reporter.addLoss(from: begin, to: end)
      self.flushEvents()
    case .incomplete(let reason):
      self.report(.logsIncomplete(unit: self.unit.name, reason: reason))
    }
  }

  private func pollWhenMainProcessEnds() async {
    for await processID in self.mainProcess.ends {
      for delay in Self.endPollDelays {
        try? await Task.sleep(for: delay)
        guard self.lifecycle.status?.mainProcessID == processID else { break }
        self.watcher.hint(self.unit)
      }
    }
  }

  func apply(_ effects: [UnitLifecycle.Effect]) {
    for effect in effects {
      switch effect {
      case .started:
        self.milestones.startAnswered.fulfil(.success(()))
      case .down:
        self.endedAt = Date()
        self.milestones.unitDown.fulfil(())
      case .ended(let result):
        if self.endedAt == nil { self.endedAt = Date() }
        self.logger.info(
          "The unit has ended",
          metadata: [
            "exit_code": "\(result.exitCode)", "signal": "\(result.signal)",
            "reason": "\(result.message ?? "")",
          ])
        self.milestones.unitEnded.fulfil(result)
        self.milestones.unitDown.fulfil(())
        self.reporter.flush(self.lifecycle.status)
      case .report(let text):
        self.report(text)
      }
    }
  }

  /// Reports what happened to the unit, once systemd has said something of the run that the task is.
  func report(_ text: TaskEventText) {
    self.reporter.add(text)
    self.flushEvents()
  }

  private func flushEvents() {
    guard self.milestones.firstObserved.current != nil || !self.isRunning else { return }
    self.reporter.flush(self.lifecycle.status)
  }
}
