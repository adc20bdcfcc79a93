import Foundation
public import Logging
public import NomadPlugin
public import Processes
import Synchronization
import Systemd

/// The task driver `systemd`: a task is a unit of systemd.
public final class SystemdDriver: TaskDriver {
  /// The driver's name in jobs.
  public static let name = "systemd"

  /// The plugin's version.
  public let info: PluginInfo

  /// The options of the plugin: ``PluginOptions``.
  public let configurationSchema = PluginOptions.schema
  /// The options of a task: ``TaskOptions``.
  public let taskConfigurationSchema = TaskOptions.schema

  /// What the driver can do: tasks are on the host as they are, nothing is isolated or mounted for them.
  public var capabilities: DriverCapabilities {
    DriverCapabilities(
      sendSignals: true,
      exec: UnitExec.problem(with: self.state.withLock { $0.engine?.configuration }) == nil,
      filesystemIsolation: .none, networkIsolationModes: [.host], mustCreateNetwork: false,
      supportsMounts: false,
      disableLogCollection: self.state.withLock { $0.engine }?.configuration.disablesLogCollection ?? false,
      dynamicWorkloadUsers: false)
  }

  /// What one configuration of the agent makes.
  private struct Engine: Sendable {
    let configuration: PluginOptions
    let topology: Topology?
    let host: SystemdClient
    let watcher: UnitWatcher
  }

  private struct State {
    var engine: Engine?
    var tasks: [String: UnitTask] = [:]
  }

  private let runner: any CommandRunner
  private let logger: Logger
  private let events = TaskEventHub()
  private let state = Mutex(State())
  private let work: AsyncStream<@Sendable () async -> Void>
  private let workContinuation: AsyncStream<@Sendable () async -> Void>.Continuation

  /// How often the driver's health is looked at: one that lacks it may have it again any moment.
  private static let fingerprintInterval: Duration = .seconds(30)
  private static let unhealthyFingerprintInterval: Duration = .seconds(5)
  /// How often memory that is not used is given back to the system.
  private static let trimInterval: Duration = .seconds(10)
  /// The states of the system in which units can be started (systemctl(1), is-system-running).
  static let usableStates: Set = ["initializing", "starting", "running", "degraded", "maintenance"]

  /// - Parameters:
  ///   - version: the plugin's version.
  ///   - runner: runs systemctl and journalctl.
  ///   - logger: for what happens to tasks.
  public init(version: String, runner: any CommandRunner, logger: Logger) {
    self.info = PluginInfo(name: Self.name, version: version)
    self.runner = runner
    self.logger = logger
    (self.work, self.workContinuation) = AsyncStream.makeStream(of: (@Sendable () async -> Void).self)
  }

  /// Does what the tasks need in the background, until cancelled. Units are left as they are.
  public func run() async {
    await withDiscardingTaskGroup { group in
      group.addTask {
        // What a thousand starts at once needed is free after them, but in pieces that malloc(3) would keep.
        while (try? await Task.sleep(for: Self.trimInterval)) != nil { Linux.trimMemory() }
      }
      for await work in self.work { group.addTask(operation: work) }
      group.cancelAll()
    }
  }

  // MARK: Configuration

  /// Takes the agent's configuration. One that differs from the last is for the tasks that are started from now on.
  ///
  /// - Throws: `ConfigurationError`, which names the attribute and what is allowed.
  public func configure(_ configuration: PluginConfiguration) async throws {
    let own = try PluginOptions(configuration)
    guard !configuration.isValidationOnly else { return }
    let topology = configuration.agent?.topology
    let newEngine = try self.state.withLock { state -> Engine? in
      if let engine = state.engine, engine.configuration == own, engine.topology == topology { return nil }
      let host = try SystemdClient(
        own, version: self.info.version, runner: self.runner, logger: self.logger)
      let watcher = UnitWatcher(
        systemctl: host.systemctl, pollInterval: own.pollInterval, looksAlways: host.replay != nil,
        logger: self.logger)
      state.engine = Engine(configuration: own, topology: topology, host: host, watcher: watcher)
      return state.engine
    }
    guard let newEngine else { return }
    self.workContinuation.yield { await newEngine.watcher.run() }
    self.workContinuation.yield { await newEngine.host.run() }
    if case .record? = own.transcript {
      // Whoever reads a recording wants to know what it is of.
      self.workContinuation.yield { _ = try? await newEngine.host.systemctl.version() }
    }
  }

  private func engine() throws -> Engine {
    guard let engine = self.state.withLock({ $0.engine }) else {
      throw DriverError.recoverable("The driver has no configuration yet: Nomad calls SetConfig first.")
    }
    guard engine.configuration.isEnabled else {
      throw DriverError.unrecoverable(
        "The systemd driver is disabled in the agent's configuration (enabled = false).")
    }
    return engine
  }

  // MARK: Health

  /// Reports whether systemd can start units, at once and every 30 s, or 5 s while it cannot.
  public func fingerprint(_ report: @escaping @Sendable (Fingerprint) async throws -> Void) async throws {
    while true {
      let fingerprint = await self.currentFingerprint()
      try await report(fingerprint)
      try await Task.sleep(
        for: fingerprint.health == .unhealthy
          ? Self.unhealthyFingerprintInterval : Self.fingerprintInterval)
    }
  }

  private func currentFingerprint() async -> Fingerprint {
    guard let engine = self.state.withLock({ $0.engine }), engine.configuration.isEnabled else {
      return Fingerprint(health: .undetected, healthDescription: "disabled in the plugin's configuration")
    }
    do {
      let version = try await engine.host.systemctl.version()
      let systemState = try await engine.host.systemctl.systemState()
      guard Self.usableStates.contains(systemState) else {
        return Fingerprint(
          health: .unhealthy,
          healthDescription: "systemd's state is '\(systemState)': see systemctl is-system-running")
      }
      let execProblem = UnitExec.problem(with: engine.configuration)
      return Fingerprint(
        health: .healthy,
        healthDescription: "systemd \(version.number) is \(systemState)"
          + (execProblem.map { "; no exec: \($0)" } ?? ""),
        attributes: [
          "driver.systemd": true,
          "driver.systemd.exec": .bool(execProblem == nil),
          "driver.systemd.version": .string("\(version.number)"),
          "driver.systemd.plugin_version": .string(self.info.version),
        ])
    } catch {
      let isMissing =
        if case .command(.notExecutable)? = (error as? SystemdError)?.reason { true } else { false }
      return Fingerprint(health: isMissing ? .undetected : .unhealthy, healthDescription: "\(error)")
    }
  }

  // MARK: Tasks

  private func task(_ id: String) throws -> UnitTask {
    guard let task = self.state.withLock({ $0.tasks[id] }) else { throw DriverError.taskNotFound }
    return task
  }

  /// Starts the unit, and answers when its start job is done or its program runs. A unit that is active already becomes
  /// the task's as it is.
  ///
  /// - Throws: `DriverError`: unrecoverable if the job, the unit's file or the configuration must change first.
  public func startTask(_ config: TaskConfig) async throws -> TaskHandle {
    let engine = try self.engine()
    let configuration: TaskOptions
    do {
      configuration = try TaskOptions(config)
    } catch {
      throw DriverError.unrecoverable("\(error)")
    }
    try self.checkAllowed(configuration.unit, config, engine)
    async let beginning = self.presentOfJournal(engine.host)
    let status = try await self.look(at: configuration.unit, engine.host)
    let unit = try self.checkLoaded(status, as: configuration.unit)
    try self.checkAllowed(unit, aliases: status.names, config, engine)
    let wasActive = Self.isActive(status)
    if wasActive, configuration.onActive == .fail {
      throw DriverError.recoverable(
        "The unit \(unit) is already active, and the task's on_active is \"fail\". Stop it, or let the task adopt or "
          + "restart it.")
    }
    let restarts = wasActive && configuration.onActive == .restart
    let adopts = wasActive && !restarts
    let mayBeSkipped = adopts ? false : await engine.host.mayHaveConditions(status)
    var position = await beginning
    if adopts, configuration.logs.includeAdopted, let beginning = status.beginningOfRun {
      position = .since(beginning)
    }
    let isAllowed = Self.isAllowed(config, engine)
    let task = try UnitTask(
      config, unit: unit, triggered: status.triggeredUnits(isAllowed), isAllowed: isAllowed,
      engine.configuration.disablesLogCollection ? configuration.withoutLogs : configuration,
      adopts
        ? .adoption
        : restarts ? .restart(mayBeSkipped: mayBeSkipped) : .start(mayBeSkipped: mayBeSkipped),
      from: position,
      lifecycle: adopts
        ? UnitLifecycle(adopting: status)
        : UnitLifecycle(previousInvocationID: Self.isStarting(status) ? nil : status.invocationID),
      host: engine.host, watcher: engine.watcher, events: self.events, logger: self.logger)
    guard try self.register(task) else {
      throw DriverError.unrecoverable("The task \(config.id) has been started already.")
    }
    self.workContinuation.yield { await task.run() }
    do {
      try await task.waitForStart()
      await task.report(
        restarts
          ? .restartedAtStart(unit: unit.name)
          : wasActive ? .adopted(unit: unit.name) : .started(unit: unit.name))
      let state = DriverState(
        unit: unit.name, logs: position, bootID: engine.host.bootID,
        invocationID: await task.invocationID, startedAt: RealtimeTimestamp(Date()))
      return TaskHandle(config: config, state: .running, driverState: try state.encoded)
    } catch {
      await self.remove(task)
      if error is CancellationError {
        // The start job goes on without systemctl, and nobody would own the unit.
        self.workContinuation.yield {
          if wasActive {
            guard let job = try? await engine.host.systemctl.show(unit).jobID else { return }
            try? await engine.host.systemctl.cancelJob(job)
          } else {
            try? await engine.host.systemctl.stop(unit, timeLimit: .seconds(90))
          }
        }
      }
      throw error
    }
  }

  /// Whether a unit runs already: active, or on its way there with its program running.
  private static func isActive(_ status: UnitStatus) -> Bool {
    switch status.activeState {
    case .active, .reloading, .refreshing: true
    case .activating: status.mainProcessID != nil
    default: false
    }
  }

  /// Whether the run that a unit has is one that begins: a start would join it. systemd makes a new one after the pause
  /// before a restart (Restart=).
  private static func isStarting(_ status: UnitStatus) -> Bool {
    status.activeState == .activating && status.subState?.hasPrefix("auto-restart") != true
  }

  /// Takes up the unit of a task that an earlier process of the plugin started, whether it still runs or not.
  ///
  /// - Throws: `DriverError`: unrecoverable if the handle is not one of this driver's, recoverable if the machine
  ///   was restarted since.
  public func recoverTask(_ handle: TaskHandle) async throws {
    let id = handle.config.id
    if self.state.withLock({ $0.tasks[id] }) != nil { return }
    let engine = try self.engine()
    let state = try DriverState(handle.driverState)
    let unit: UnitName
    do {
      unit = try UnitName(state.unit)
    } catch {
      throw DriverError.unrecoverable("The task's handle names no unit: \(error)")
    }
    if let boot = state.bootID, let now = engine.host.bootID, boot != now {
      throw DriverError.recoverable(
        "The machine was restarted since the task started: how \(unit) ended is not known.")
    }
    var configuration = (try? TaskOptions(handle.config)) ?? TaskOptions(unit: unit)
    if engine.configuration.disablesLogCollection { configuration = configuration.withoutLogs }
    let taskConfiguration = configuration
    // Nomad would start the task anew if this failed: what systemd does not answer now, it answers the watcher.
    func makeTask(_ configuration: TaskOptions) throws -> UnitTask {
      try UnitTask(
        handle.config, unit: unit, isAllowed: Self.isAllowed(handle.config, engine), configuration,
        .recovery(startedAt: state.startedAt?.date),
        from: state.logs,
        lifecycle: UnitLifecycle(
          recovered: state.invocationID, isSameBoot: state.bootID != nil && engine.host.bootID != nil),
        host: engine.host, watcher: engine.watcher,
        events: self.events, logger: self.logger)
    }
    var withoutLogs: TaskEventText?
    let task: UnitTask
    do {
      task = try makeTask(taskConfiguration)
    } catch {
      task = try makeTask(taskConfiguration.withoutLogs)
      withoutLogs = .logsUnavailable(unit: unit.name, reason: "\(error)")
    }
    do {
      // It can have become another one's alias.
      let status = try? await engine.host.showPatiently(unit)
      let name = status.flatMap { try? UnitName($0.id) } ?? unit
      try self.checkAllowed(name, aliases: (status?.names ?? []) + [unit.name], handle.config, engine)
    } catch {
      await task.abandon()
      throw error
    }
    guard try self.register(task) else { return }
    self.workContinuation.yield { await task.run() }
    await task.report(.recovered(unit: unit.name))
    if let withoutLogs { await task.report(withoutLogs) }
  }

  /// Where the journal is now.
  private func presentOfJournal(_ host: SystemdClient) async -> JournalPosition {
    let now = RealtimeTimestamp(Date())
    // One clock, and no command: a start takes little longer than systemctl start does.
    guard !host.sharesClock else {
      return host.bootID.flatMap { JournalCursor.now(inBoot: $0) }.map { .after($0) } ?? .since(now)
    }
    do {
      return try await host.journalctl.currentCursor().map { .after($0) } ?? .beginning
    } catch {
      self.logger.warning("The end of the journal is not known.", metadata: ["error": "\(error)"])
      return .since(now)
    }
  }

  private func look(at unit: UnitName, _ host: SystemdClient) async throws -> UnitStatus {
    do {
      return try await host.showPatiently(unit)
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

  private static func isAllowed(_ task: TaskConfig, _ engine: Engine) -> @Sendable (UnitName) -> Bool {
    { [policy = engine.configuration.policy] in policy.refusal(of: $0, to: task) == nil }
  }

  /// - Throws: `DriverError` (unrecoverable) if the policy denies the unit to the task's job.
  private func checkAllowed(
    _ unit: UnitName, aliases: [String] = [], _ task: TaskConfig, _ engine: Engine
  ) throws {
    guard let refusal = engine.configuration.policy.refusal(of: unit, aliases: aliases, to: task) else {
      return
    }
    self.logger.warning(
      "A job was refused a unit.",
      metadata: [
        "namespace": "\(task.namespace)", "job": "\(task.jobID)", "unit": "\(unit)", "reason": "\(refusal)",
      ])
    throw DriverError.unrecoverable("The unit \(unit) may not be a task's: \(refusal).")
  }

  /// Adds a task; false if one of its identifier is there already.
  ///
  /// - Throws: `DriverError` (recoverable) if its unit is another task's.
  private func register(_ task: UnitTask) throws -> Bool {
    try self.state.withLock { state in
      guard state.tasks[task.config.id] == nil else { return false }
      if let other = state.tasks.values.first(where: { $0.unit == task.unit && $0.isRunning }) {
        throw DriverError.recoverable(
          "The unit \(task.unit) is the task '\(other.config.name)' of the allocation "
            + "\(other.config.allocationID) already. It can be started here when that one has ended.")
      }
      state.tasks[task.config.id] = task
      return true
    }
  }

  private func remove(_ task: UnitTask) async {
    await task.dismiss()
    self.state.withLock { state in
      if state.tasks[task.config.id] === task { state.tasks[task.config.id] = nil }
    }
    self.events.forget(task.config.id)
  }

  /// Waits until the unit has ended and its last lines are delivered.
  public func waitTask(_ id: String) async throws -> ExitResult { try await self.task(id).waitForExit() }

  /// Stops the unit: by `signal` to the main process if there is one, then by `systemctl stop`, and by SIGKILL to all its
  /// processes after `timeout`.
  public func stopTask(_ id: String, timeout: Duration, signal: String?) async throws {
    let task = try self.task(id)
    do {
      try await task.stop(timeout: timeout, signal: signal)
    } catch let error as SystemdError {
      throw DriverError.recoverable("\(error)")
    }
  }

  /// Forgets the task. With `force` a unit that has not ended is killed.
  public func destroyTask(_ id: String, force: Bool) async throws {
    let task = try self.task(id)
    if task.isRunning {
      guard force else {
        throw DriverError.unrecoverable(
          "The unit \(task.unit) of the task is still running. Stop it first, or use force.")
      }
      try await self.stopTask(id, timeout: .zero, signal: nil)
    }
    try await task.resetFailure()
    await self.remove(task)
  }

  /// The unit's state, as systemd told it last.
  public func inspectTask(_ id: String) async throws -> TaskStatus { try await self.task(id).inspect() }

  /// Reports what happens to all tasks, and first what happened to those that there are, until ``shutdown()``.
  public func taskEvents(_ report: @escaping @Sendable (TaskEvent) async throws -> Void) async throws {
    for await event in self.events.events() { try await report(event) }
  }

  /// Ends the task events, after the last one.
  public func shutdown() { self.events.end() }

  /// Reports what the unit uses: CPU time, memory and its processes, as far as they are counted.
  public func taskStats(
    _ id: String, interval: Duration, _ report: @escaping @Sendable (TaskResourceUsage) async throws -> Void
  ) async throws {
    let topology = self.state.withLock { $0.engine?.topology }
    try await self.task(id).reportUsage(every: interval, topology: topology, report)
  }

  /// Sends a signal, by a name or number that systemd knows, to the processes of the unit that the job's `signal_to`
  /// says: the main process if it says nothing.
  ///
  /// - Throws: `DriverError`: unrecoverable if there is no such signal or the unit has ended, recoverable if it has no
  ///   such process.
  public func signalTask(_ id: String, signal: String) async throws {
    try await self.task(id).signal(signal)
  }

  // MARK: Commands in tasks

  private func exec(_ id: String) throws -> UnitExec {
    let engine = try self.engine()
    if let problem = UnitExec.problem(with: engine.configuration) {
      throw DriverError.unrecoverable("The systemd driver runs no commands in tasks: \(problem).")
    }
    return UnitExec(task: try self.task(id), host: engine.host, logger: self.logger)
  }

  /// Runs a command as if it belonged to the unit: ``UnitExec``.
  public func execTask(_ id: String, command: [String], timeout: Duration) async throws -> ExecResult {
    try await self.exec(id).collect(command, timeout: timeout)
  }

  /// Runs a command as if it belonged to the unit, with its input and output as streams: ``UnitExec``.
  public func execTaskStreaming(
    _ request: ExecRequest, input: any AsyncSequence<ExecInput, any Error> & Sendable,
    _ output: @escaping @Sendable (ExecOutput) async throws -> Void
  ) async throws -> ExitResult {
    try await self.exec(request.taskID).stream(request, input: input, output)
  }
}
