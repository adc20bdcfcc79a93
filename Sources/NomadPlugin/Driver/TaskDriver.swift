/// A Nomad task driver, in Swift types.
///
/// ``BasePluginService`` and ``DriverService`` turn Nomad's calls into calls of this protocol and its answers and
/// errors into what Nomad reads. Streams of answers are written by calling a closure that returns once the
/// peer has room for more; it may be called by several tasks at once. A call that Nomad cancels cancels the task
/// in which the method runs.
///
/// Throw ``DriverError`` to choose what Nomad makes of a failure; any other error is reported by its
/// description and is not recoverable. A method without an implementation answers UNIMPLEMENTED.
///
/// The rules for each call are those of hashicorp/nomad, `plugins/drivers/driver.go` and
/// `plugins/drivers/proto/driver.proto`.
public protocol TaskDriver: Sendable {
  /// What the plugin is: name, version, plugin API versions.
  var info: PluginInfo { get }

  /// The schema of the agent's `plugin "…" { config { … } }` block.
  var configurationSchema: HCLSpec { get }

  /// The schema of a job's `config { … }` block.
  var taskConfigurationSchema: HCLSpec { get }

  /// What the driver can do.
  var capabilities: DriverCapabilities { get async }

  /// Takes the agent's configuration, or only checks it if ``PluginConfiguration/isValidationOnly`` is set.
  ///
  /// - Throws: an error that names the attribute and what is allowed; Nomad shows it and the agent stops.
  func configure(_ configuration: PluginConfiguration) async throws

  /// Reports the driver's health at once, and again on each change and periodically, until cancelled.
  func fingerprint(_ report: @escaping @Sendable (Fingerprint) async throws -> Void) async throws

  /// Starts a task. Nomad stores the handle and gives it back to ``recoverTask(_:)``. The ID is not empty.
  func startTask(_ config: TaskConfig) async throws -> TaskHandle

  /// Takes up a task that an earlier process of this plugin started. Does nothing for a known task.
  /// The task's ID is that of the handle's configuration, and not empty.
  func recoverTask(_ handle: TaskHandle) async throws

  /// Waits for the end of a task; answers at once if it has ended.
  func waitTask(_ id: String) async throws -> ExitResult

  /// Stops a task: gracefully, by `signal` if there is one, and by force after `timeout`, which is between 0 and
  /// a hundred years. Succeeds for a task that has already ended.
  func stopTask(_ id: String, timeout: Duration, signal: String?) async throws

  /// Forgets a task and removes what was made for it. A running task is an error unless `force` is set.
  func destroyTask(_ id: String, force: Bool) async throws

  /// What is known about a task.
  func inspectTask(_ id: String) async throws -> TaskStatus

  /// Reports the resource usage of a task at once and then every `interval`, which is at least 100 ms, until the
  /// task ends.
  func taskStats(
    _ id: String, interval: Duration, _ report: @escaping @Sendable (TaskResourceUsage) async throws -> Void
  ) async throws

  /// Reports the events of all tasks until cancelled, or until ``shutdown()``.
  func taskEvents(_ report: @escaping @Sendable (TaskEvent) async throws -> Void) async throws

  /// Ends what goes on without an end of its own, as the plugin is about to end: the task events, after the last one.
  func shutdown() async throws

  /// Sends a signal, by name, to a task.
  func signalTask(_ id: String, signal: String) async throws

  /// Runs a command in the context of a task and collects its output. The command is not empty. A `timeout` of 0
  /// is no limit; otherwise it is at most a hundred years.
  func execTask(_ id: String, command: [String], timeout: Duration) async throws -> ExecResult

  /// Runs a command in the context of a task with its input and output as streams. The command is not empty.
  ///
  /// The input can be read once, by one reader, and ends when the peer half-closes the call. Nomad itself never
  /// does that: the command ends when it ends, whether or not the input has.
  func execTaskStreaming(
    _ request: ExecRequest, input: any AsyncSequence<ExecInput, any Error> & Sendable,
    _ output: @escaping @Sendable (ExecOutput) async throws -> Void
  ) async throws -> ExitResult
}

extension TaskDriver {
  /// Answers UNIMPLEMENTED.
  public func taskStats(
    _ id: String, interval: Duration, _ report: @escaping @Sendable (TaskResourceUsage) async throws -> Void
  ) async throws {
    throw DriverError.unimplemented("TaskStats")
  }

  /// Answers UNIMPLEMENTED.
  public func taskEvents(_ report: @escaping @Sendable (TaskEvent) async throws -> Void) async throws {
    throw DriverError.unimplemented("TaskEvents")
  }

  /// Answers UNIMPLEMENTED.
  public func shutdown() async throws { throw DriverError.unimplemented("Shutdown") }

  /// Answers UNIMPLEMENTED.
  public func signalTask(_ id: String, signal: String) async throws {
    throw DriverError.unimplemented("SignalTask")
  }

  /// Answers UNIMPLEMENTED.
  public func execTask(_ id: String, command: [String], timeout: Duration) async throws -> ExecResult {
    throw DriverError.unimplemented("ExecTask")
  }

  /// Answers UNIMPLEMENTED.
  public func execTaskStreaming(
    _ request: ExecRequest, input: any AsyncSequence<ExecInput, any Error> & Sendable,
    _ output: @escaping @Sendable (ExecOutput) async throws -> Void
  ) async throws -> ExitResult {
    throw DriverError.unimplemented("ExecTaskStreaming")
  }
}
