import Foundation
import Logging
import NomadPlugin
import Systemd

/// Makes tasks of units: by a start, or by a recovery.
struct TaskStarter: Sendable {
  let engine: DriverEngine
  let registry: TaskRegistry
  let background: BackgroundWork
  let records: TaskRecords
  let logger: Logger

  private var systemd: SystemdClient { self.engine.systemd }

  /// How long the stop of a unit may take whose start was cancelled.
  private static let undoTimeout: Duration = .seconds(90)

  // MARK: Start

  /// Starts a task's unit, and answers when its start job is done or its program runs.
  ///
  /// - Throws: `DriverError`: unrecoverable if the job, the unit's file or the configuration must change first;
  ///   `CancellationError`.
  func start(_ config: TaskConfig) async throws -> TaskHandle {
    let options: TaskOptions
    do {
      options = try TaskOptions(config)
    } catch {
      throw DriverError.unrecoverable("\(error)")
    }
    try self.checkAllowed(options.unit, config)
    async let present = self.systemd.presentOfJournal(self.logger)
    let status = try await self.status(of: options.unit)
    let unit = try self.checkLoaded(status, as: options.unit)
    try self.checkAllowed(unit, aliases: status.names, config)
    let action = try StartPlan.Action(status, options.onActive)
    let mayHaveConditions = action == .adopt ? false : await self.systemd.mayHaveConditions(status)
    let plan = StartPlan(
      action, of: status, mayHaveConditions: mayHaveConditions, options, present: await present)
    let isAllowed = self.engine.isAllowed(for: config)
    let claim = try await self.claim(config)
    let record = TaskRecordKeeper(TaskRecord(of: config, unit: unit), in: self.records, claim)
    let task: UnitTask
    do {
      task = try UnitTask(
        config, unit: unit, triggered: status.triggeredUnits(isAllowed), isAllowed: isAllowed,
        self.engine.options.disablesLogCollection ? options.withoutLogs : options, .start(plan),
        logsBegin: plan.logsBegin, lifecycle: plan.lifecycle, claim: claim, record: record,
        engine: self.engine,
        events: self.registry.events, logger: self.logger)
      guard try self.registry.add(task) else { throw Self.startedAlready(config) }
    } catch {
      claim.release(isOver: true)
      throw error
    }
    record.save()
    self.background.add { [registry] in await task.live(in: registry) }
    do {
      async let userspaceRun = self.systemd.userspaceRun()
      try await task.waitForStart()
      await task.report(plan.event(unit: unit))
      return try await self.handle(of: task, plan, userspaceRun: await userspaceRun)
    } catch {
      await self.registry.remove(task)
      record.remove()
      claim.release(isOver: true)
      if error is CancellationError { self.background.add { await self.undo(plan, of: unit) } }
      throw error
    }
  }

  private func claim(_ config: TaskConfig) async throws -> TaskClaim {
    do {
      return try await self.records.claim(config.id)
    } catch let failure as TaskRecords.ClaimFailure {
      switch failure {
      case .ownTask: throw Self.startedAlready(config)
      case .takenMeanwhile:
        throw DriverError.recoverable("Another process of the plugin starts the task \(config.id).")
      }
    }
  }

  private static func startedAlready(_ config: TaskConfig) -> DriverError {
    .unrecoverable("The task \(config.id) has been started already.")
  }

  private func handle(
    of task: UnitTask, _ plan: StartPlan, userspaceRun: String?
  ) async throws -> TaskHandle {
    let state = DriverState(
      unit: task.unit.name, logs: plan.logsBegin, bootID: self.systemd.location.bootID,
      userspaceRun: userspaceRun, invocationID: await task.invocationID,
      startedAt: RealtimeTimestamp(Date()))
    return TaskHandle(config: task.config, state: .running, driverState: try state.encoded)
  }

  private func undo(_ plan: StartPlan, of unit: UnitName) async {
    switch plan.undo {
    case .cancelJob:
      guard let job = try? await self.systemd.systemctl.show(unit).jobID else { return }
      try? await self.systemd.systemctl.cancelJob(job)
    case .stop:
      try? await self.systemd.systemctl.stop(unit, timeLimit: Self.undoTimeout)
    }
  }

  private func status(of unit: UnitName) async throws -> UnitStatus {
    do {
      return try await self.systemd.showPatiently(unit)
    } catch let error as SystemdError {
      throw DriverError.recoverable("\(error)")
    }
  }

  /// Checks that a unit can be started. Returns its true name.
  private func checkLoaded(_ status: UnitStatus, as unit: UnitName) throws -> UnitName {
    let problem: String
    switch status.loadState {
    case .loaded, .stub:
      guard let name = try? UnitName(status.id) else {
        throw DriverError.unrecoverable(
          "The unit \(unit) has the name '\(status.id)', which no task can have.")
      }
      return name
    case .notFound:
      problem = "systemd finds no unit file of that name. See: systemctl list-unit-files"
    case .masked:
      problem = "it is masked. Allow it with: systemctl unmask \(unit)"
    case .badSetting:
      problem = "its unit file has an error. See: systemd-analyze verify \(unit)"
    default:
      problem = "its load state is '\(status.loadState)'. See: systemctl status \(unit)"
    }
    let reason = status.loadError.map { " (\($0))" } ?? ""
    throw DriverError.unrecoverable("Cannot start the unit \(unit): \(problem)\(reason)")
  }

  /// - Throws: `DriverError` (unrecoverable) if the policy denies the unit to the task's job.
  private func checkAllowed(_ unit: UnitName, aliases: [String] = [], _ task: TaskConfig) throws {
    guard let refusal = self.engine.options.policy.refusal(of: unit, aliases: aliases, to: task) else {
      return
    }
    self.logger.warning(
      "Refused a unit to a job",
      metadata: [
        "namespace": "\(task.namespace)", "job": "\(task.jobID)", "unit": "\(unit)", "reason": "\(refusal)",
      ])
    throw DriverError.unrecoverable("The unit \(unit) may not be a task's: \(refusal).")
  }

  // MARK: Recovery

  /// Recovers the unit of a task that an earlier process of the plugin started, whether it still runs or not.
  ///
  /// - Throws: `DriverError`: unrecoverable if the handle is not one of this driver's, recoverable if the machine was
  ///   restarted since.
  func recover(_ handle: TaskHandle) async throws {
    let state = try DriverState(handle.driverState)
    let unit: UnitName
    do {
      unit = try UnitName(state.unit)
    } catch {
      throw DriverError.unrecoverable("The task's handle names no unit: \(error)")
    }
    if let boot = state.bootID, let now = self.systemd.location.bootID, boot != now {
      throw DriverError.recoverable(
        "The machine was restarted since the task started: how \(unit) ended is not known.")
    }
    if let then = state.userspaceRun, let now = await self.systemd.userspaceRun(), then != now {
      throw DriverError.recoverable(
        "The machine was restarted (systemctl soft-reboot) since the task started: how \(unit) ended is not known."
      )
    }
    guard let claim = try await self.claimForRecovery(handle.config) else { return }
    do {
      try await self.recover(handle.config, unit, state, claim)
    } catch {
      claim.release(isOver: true)
      throw error
    }
  }

  /// Makes a task this plugin's; nil if it is by now.
  private func claimForRecovery(_ config: TaskConfig) async throws -> TaskClaim? {
    while !self.registry.contains(config.id) {
      do {
        return try await self.records.claim(config.id)
      } catch TaskRecords.ClaimFailure.ownTask {
        // Another call recovers it now.
        try await Task.sleep(for: .milliseconds(10))
      } catch TaskRecords.ClaimFailure.takenMeanwhile {
        throw DriverError.recoverable("Another process of the plugin recovers the task \(config.id).")
      }
    }
    return nil
  }

  private func recover(
    _ config: TaskConfig, _ unit: UnitName, _ state: DriverState, _ claim: TaskClaim
  ) async throws {
    let known = self.records.read(config.id)
    if known?.destroyed != nil {
      throw DriverError.unrecoverable(
        "The task \(config.id) is not recovered: the task was destroyed, its unit \(unit) can be another one's."
      )
    }
    if known == nil, self.records.areKept {
      self.logger.warning(
        """
        The task has no record: one of an earlier version of the plugin has none. If the task was destroyed, it comes \
        back now.
        """, metadata: ["task_id": "\(config.id)", "unit": "\(unit)"])
    }
    let record = known ?? TaskRecord(of: config, unit: unit)
    var options = (try? TaskOptions(config)) ?? TaskOptions(unit: unit)
    if self.engine.options.disablesLogCollection { options = options.withoutLogs }
    let task: UnitTask
    var logsUnavailable: TaskEventText?
    // Nomad would start the task anew if the recovery failed.
    do {
      task = try self.recoveredTask(config, unit, options, state, record, claim)
    } catch {
      task = try self.recoveredTask(config, unit, options.withoutLogs, state, record, claim)
      logsUnavailable = .logsUnavailable(unit: unit.name, reason: "\(error)")
    }
    do {
      // The unit can have become another one's alias. What systemd does not answer now, it answers the watcher.
      let status = try? await self.systemd.showPatiently(unit)
      let name = status.flatMap { try? UnitName($0.id) } ?? unit
      try self.checkAllowed(name, aliases: (status?.names ?? []) + [unit.name], config)
      // Nobody watches a unit whose end is known.
      if let status, record.end != nil {
        await task.observe(UnitWatcher.Observation(status: status, askedAt: .now))
      }
    } catch {
      await task.abandon()
      throw error
    }
    guard try self.registry.add(task) else { return claim.release(isOver: false) }
    task.record.save()
    self.background.add { [registry] in await task.live(in: registry) }
    await task.report(.recovered(unit: unit.name))
    if let logsUnavailable { await task.report(logsUnavailable) }
  }

  private func recoveredTask(
    _ config: TaskConfig, _ unit: UnitName, _ options: TaskOptions, _ state: DriverState,
    _ record: TaskRecord, _ claim: TaskClaim
  ) throws -> UnitTask {
    let isSameBoot = state.bootID != nil && self.systemd.location.bootID != nil
    let end = record.end.map { end in
      (result: ExitResult(end), time: end.time.map { RealtimeTimestamp(microseconds: $0) })
    }
    return try UnitTask(
      config, unit: unit, isAllowed: self.engine.isAllowed(for: config), options,
      .recovery(startedAt: state.startedAt?.date), logsBegin: state.logs,
      lifecycle: UnitLifecycle(
        recovered: record.lastRun ?? state.invocationID, isSameBoot: isSameBoot, end: end),
      claim: claim, record: TaskRecordKeeper(record, in: self.records, claim), engine: self.engine,
      events: self.registry.events, logger: self.logger)
  }
}
