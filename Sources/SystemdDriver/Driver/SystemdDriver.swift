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

  private let runner: any CommandRunner
  private let logger: Logger
  private let registry = TaskRegistry()
  private let background = BackgroundWork()
  private let records: TaskRecords
  /// A replay's tasks are none of this host's.
  private let noRecords: TaskRecords
  private let engine = Mutex<DriverEngine?>(nil)

  /// How often memory that is not used is given back to the system.
  private static let trimInterval: Duration = .seconds(10)

  /// - Parameters:
  ///   - version: the plugin's version.
  ///   - runner: runs systemctl and journalctl.
  ///   - recordDirectory: where to keep what is known of tasks until the next boot, so that a later process of the plugin
  ///     knows it; nil for nowhere.
  ///   - logger: for what happens to tasks.
  public init(
    version: String, runner: any CommandRunner, recordDirectory: String? = nil, logger: Logger
  ) {
    self.info = PluginInfo(name: Self.name, version: version)
    self.runner = runner
    self.records = TaskRecords(in: recordDirectory, logger: logger)
    self.noRecords = TaskRecords(in: nil, logger: logger)
    self.logger = logger
  }

  /// Does what the tasks need in the background, until cancelled. Units are left as they are.
  public func run() async {
    await withDiscardingTaskGroup { group in
      group.addTask {
        // What a thousand starts at once needed is free after them, but in pieces that malloc(3) would keep.
        while (try? await Task.sleep(for: Self.trimInterval)) != nil { Linux.trimMemory() }
      }
      group.addTask { await self.records.run() }
      await self.background.run()
      group.cancelAll()
    }
  }

  // MARK: Configuration and health

  /// Takes the agent's configuration. One that differs from the last is for the tasks that are started from now on.
  ///
  /// - Throws: `ConfigurationError`, which names the attribute and what is allowed.
  public func configure(_ configuration: PluginConfiguration) async throws {
    let options = try PluginOptions(configuration)
    guard !configuration.isValidationOnly else { return }
    let topology = configuration.agent?.topology
    let new = try self.engine.withLock { engine -> DriverEngine? in
      guard engine?.options != options || engine?.topology != topology else { return nil }
      let new = try DriverEngine(
        options, topology: topology, version: self.info.version, runner: self.runner, logger: self.logger)
      engine = new
      return new
    }
    guard let new else { return }
    self.background.add { await new.run() }
    self.background.add { self.records.sweep() }
  }

  /// What the driver can do: tasks are on the host as they are, nothing is isolated or mounted for them.
  public var capabilities: DriverCapabilities {
    let options = self.engine.withLock { $0?.options }
    return DriverCapabilities(
      sendSignals: true, exec: UnitExec.problem(with: options) == nil, filesystemIsolation: .none,
      networkIsolationModes: [.host], mustCreateNetwork: false, supportsMounts: false,
      disableLogCollection: options?.disablesLogCollection ?? false, dynamicWorkloadUsers: false)
  }

  /// Reports whether systemd can start units, at once and every 30 s, or 5 s while it cannot.
  public func fingerprint(_ report: @escaping @Sendable (Fingerprint) async throws -> Void) async throws {
    let health = DriverHealth(pluginVersion: self.info.version)
    try await health.run(
      engine: { self.engine.withLock { $0 }.flatMap { $0.options.isEnabled ? $0 : nil } }, report)
  }

  /// The engine, if the driver is configured and enabled.
  private func usableEngine() throws -> DriverEngine {
    guard let engine = self.engine.withLock({ $0 }) else {
      throw DriverError.recoverable("The driver has no configuration yet: Nomad calls SetConfig first.")
    }
    guard engine.options.isEnabled else {
      throw DriverError.unrecoverable(
        "The systemd driver is disabled in the agent's configuration (enabled = false).")
    }
    return engine
  }

  private func starter() throws -> TaskStarter {
    let engine = try self.usableEngine()
    return TaskStarter(
      engine: engine, registry: self.registry, background: self.background,
      records: engine.systemd.location.replay == nil ? self.records : self.noRecords, logger: self.logger)
  }

  // MARK: Tasks

  /// Starts the unit, and answers when its start job is done or its program runs. A unit that is active already becomes
  /// the task's as it is.
  ///
  /// - Throws: `DriverError`: unrecoverable if the job, the unit's file or the configuration must change first.
  public func startTask(_ config: TaskConfig) async throws -> TaskHandle {
    try await self.starter().start(config)
  }

  /// Recovers the unit of a task that an earlier process of the plugin started, whether it still runs or not.
  ///
  /// - Throws: `DriverError`: unrecoverable if the handle is not one of this driver's, recoverable if the machine
  ///   was restarted since.
  public func recoverTask(_ handle: TaskHandle) async throws {
    guard !self.registry.contains(handle.config.id) else { return }
    try await self.starter().recover(handle)
  }

  /// Waits until the unit has ended and its last lines are delivered.
  public func waitTask(_ id: String) async throws -> ExitResult {
    try await self.registry.task(id).waitForExit()
  }

  /// Stops the unit: by `signal` to the main process if there is one, then by `systemctl stop`, and by SIGKILL to all its
  /// processes after `timeout`.
  public func stopTask(_ id: String, timeout: Duration, signal: String?) async throws {
    let task = try self.registry.task(id)
    do {
      try await task.claim.perform { try await task.stop(timeout: timeout, signal: signal) }
    } catch let error as SystemdError {
      throw DriverError.recoverable("\(error)")
    }
  }

  /// Forgets the task. With `force` a unit that has not ended is killed.
  public func destroyTask(_ id: String, force: Bool) async throws {
    let task = try self.registry.task(id)
    try await task.claim.perform {
      if task.isRunning {
        guard force else {
          throw DriverError.unrecoverable(
            "The unit \(task.unit) of the task is still running. Stop it first, or use force.")
        }
        try await self.stopTask(id, timeout: .zero, signal: nil)
      }
      try await task.resetFailure()
      // Before the position in the journal is forgotten: a recovery would begin the logs anew.
      task.record.taskIsDestroyed()
      await self.registry.remove(task)
    }
    task.claim.release(isOver: true)
  }

  /// The unit's state, as systemd told it last.
  public func inspectTask(_ id: String) async throws -> TaskStatus {
    try await self.registry.task(id).inspect()
  }

  /// Reports what the unit uses: CPU time, memory and its processes, as far as they are counted.
  public func taskStats(
    _ id: String, interval: Duration, _ report: @escaping @Sendable (TaskResourceUsage) async throws -> Void
  ) async throws {
    let task = try self.registry.task(id)
    let reporter = task.usageReporter(topology: self.engine.withLock { $0?.topology })
    try await task.claim.perform { try await reporter.run(every: interval, report) }
  }

  /// Sends a signal, by a name or number that systemd knows, to the processes of the unit that the job's `signal_to`
  /// says: the main process if it says nothing.
  ///
  /// - Throws: `DriverError`: unrecoverable if there is no such signal or the unit has ended, recoverable if it has no
  ///   such process.
  public func signalTask(_ id: String, signal: String) async throws {
    let task = try self.registry.task(id)
    try await task.claim.perform { try await task.signaller.send(signal) }
  }

  /// Reports what happens to all tasks, and first what happened to those that there are, until ``shutdown()``.
  public func taskEvents(_ report: @escaping @Sendable (TaskEvent) async throws -> Void) async throws {
    for await event in self.registry.events.events() { try await report(event) }
  }

  /// Ends the task events, after the last one.
  public func shutdown() { self.registry.events.end() }

  /// Whether there is a task that Nomad has started or recovered, and not destroyed, and that no other process of the
  /// plugin has taken.
  public var hasTasks: Bool { !self.registry.isEmpty }

  // MARK: Commands in tasks

  private func exec(_ id: String) throws -> UnitExec {
    let engine = try self.usableEngine()
    if let problem = UnitExec.problem(with: engine.options) {
      throw DriverError.unrecoverable("The systemd driver runs no commands in tasks: \(problem).")
    }
    return UnitExec(task: try self.registry.task(id), systemd: engine.systemd, logger: self.logger)
  }

  /// Runs a command as if it belonged to the unit: ``UnitExec``.
  public func execTask(_ id: String, command: [String], timeout: Duration) async throws -> ExecResult {
    let exec = try self.exec(id)
    return try await exec.task.claim.perform { try await exec.collect(command, timeout: timeout) }
  }

  /// Runs a command as if it belonged to the unit, with its input and output as streams: ``UnitExec``.
  public func execTaskStreaming(
    _ request: ExecRequest, input: any AsyncSequence<ExecInput, any Error> & Sendable,
    _ output: @escaping @Sendable (ExecOutput) async throws -> Void
  ) async throws -> ExitResult {
    let exec = try self.exec(request.taskID)
    return try await exec.task.claim.perform { try await exec.stream(request, input: input, output) }
  }
}
