public import GRPCCore
import SwiftProtobuf

/// Nomad's side of a task driver plugin: the calls that a Nomad agent makes.
///
/// Every method throws ``DriverError`` where the driver failed, and `RPCError` where the call itself did: no
/// connection, a deadline that passed, a call that was cancelled. Cancelling the task cancels the call.
public struct NomadPluginClient<Transport: ClientTransport>: Sendable {
  private let base: WireBasePlugin.Client<Transport>
  private let driver: WireDriver.Client<Transport>

  /// Makes a client that uses a connection, which the caller runs and ends.
  public init(_ client: GRPCClient<Transport>) {
    base = WireBasePlugin.Client(wrapping: client)
    driver = WireDriver.Client(wrapping: client)
  }

  // MARK: The plugin

  /// What the plugin is.
  public func pluginInfo() async throws -> PluginInfo {
    try await call("PluginInfo") { PluginInfo(try await base.pluginInfo(WirePluginInfoRequest())) }
  }

  /// The schema of the plugin's own configuration.
  public func configurationSchema() async throws -> HCLSpec {
    try await call("ConfigSchema") {
      try HCLSpec(try await base.configSchema(WireConfigSchemaRequest()).spec)
    }
  }

  /// Hands over the plugin's configuration, or has it checked.
  public func configure(_ configuration: PluginConfiguration) async throws {
    try await call("SetConfig") { _ = try await base.setConfig(configuration.wire) }
  }

  // MARK: The driver

  /// Tells the driver that it has its configuration. Optional: ``DriverError/unimplemented(_:)`` is no failure.
  public func initialize() async throws {
    try await call("Init") { _ = try await driver.initialize(WireInitRequest()) }
  }

  /// Tells the driver that it is about to end, so that it ends the task events after the last one. Optional:
  /// ``DriverError/unimplemented(_:)`` is no failure.
  public func shutdown() async throws {
    try await call("Shutdown") { _ = try await driver.shutdown(WireShutdownRequest()) }
  }

  /// The schema of a task's configuration.
  public func taskConfigurationSchema() async throws -> HCLSpec {
    try await call("TaskConfigSchema") {
      try HCLSpec(try await driver.taskConfigSchema(WireTaskConfigSchemaRequest()).spec)
    }
  }

  /// What the driver can do.
  public func capabilities() async throws -> DriverCapabilities {
    try await call("Capabilities") {
      DriverCapabilities(try await driver.capabilities(WireCapabilitiesRequest()).capabilities)
    }
  }

  /// Takes reports of the driver's health until the driver ends the stream or `report` throws.
  public func fingerprint(_ report: @escaping @Sendable (Fingerprint) async throws -> Void) async throws {
    try await call("Fingerprint") {
      try await driver.fingerprint(WireFingerprintRequest()) { response in
        for try await message in response.messages { try await report(Fingerprint(message)) }
      }
    }
  }

  // MARK: The life of a task

  /// Starts a task.
  ///
  /// - Returns: what ``recoverTask(_:)`` needs.
  public func startTask(_ config: TaskConfig) async throws -> TaskHandle {
    try await call("StartTask") {
      TaskHandle(try await driver.startTask(.with { $0.task = config.wire }).handle)
    }
  }

  /// Has the driver take up a task that an earlier process of the plugin started.
  public func recoverTask(_ handle: TaskHandle) async throws {
    try await call("RecoverTask") { _ = try await driver.recoverTask(.with { $0.handle = handle.wire }) }
  }

  /// Waits for the end of a task.
  public func waitTask(_ id: String) async throws -> ExitResult {
    try await call("WaitTask") { ExitResult(try await driver.waitTask(.with { $0.taskID = id })) }
  }

  /// Stops a task: gracefully, by `signal` if there is one, and by force after `timeout`.
  public func stopTask(_ id: String, timeout: Duration, signal: String? = nil) async throws {
    try await call("StopTask") {
      let request = WireStopTaskRequest.with {
        $0.taskID = id
        $0.timeout = Google_Protobuf_Duration(timeout)
        $0.signal = signal ?? ""
      }
      _ = try await driver.stopTask(request)
    }
  }

  /// Has the driver forget a task and remove what it made for it.
  public func destroyTask(_ id: String, force: Bool) async throws {
    try await call("DestroyTask") {
      let request = WireDestroyTaskRequest.with {
        $0.taskID = id
        $0.force = force
      }
      _ = try await driver.destroyTask(request)
    }
  }

  /// What the driver knows about a task.
  public func inspectTask(_ id: String) async throws -> TaskStatus {
    try await call("InspectTask") { TaskStatus(try await driver.inspectTask(.with { $0.taskID = id })) }
  }

  /// Sends a signal, by name, to a task.
  public func signalTask(_ id: String, signal: String) async throws {
    try await call("SignalTask") {
      let request = WireSignalTaskRequest.with {
        $0.taskID = id
        $0.signal = signal
      }
      _ = try await driver.signalTask(request)
    }
  }

  // MARK: Usage and events

  /// Takes measurements of what a task uses until the task ends or `report` throws.
  public func taskStats(
    _ id: String, interval: Duration, _ report: @escaping @Sendable (TaskResourceUsage) async throws -> Void
  ) async throws {
    try await call("TaskStats") {
      let request = WireTaskStatsRequest.with {
        $0.taskID = id
        $0.collectionInterval = Google_Protobuf_Duration(interval)
      }
      try await driver.taskStats(request) { response in
        for try await message in response.messages { try await report(TaskResourceUsage(message.stats)) }
      }
    }
  }

  /// Takes the events of all tasks until the driver ends the stream or `report` throws.
  public func taskEvents(_ report: @escaping @Sendable (TaskEvent) async throws -> Void) async throws {
    try await call("TaskEvents") {
      try await driver.taskEvents(WireTaskEventsRequest()) { response in
        for try await message in response.messages { try await report(TaskEvent(message)) }
      }
    }
  }

  // MARK: Commands in the context of a task

  /// Runs a command in the context of a task and collects its output.
  ///
  /// - Parameter timeout: how long the command may take; 0 for no limit.
  public func execTask(_ id: String, command: [String], timeout: Duration) async throws -> ExecResult {
    try await call("ExecTask") {
      let request = WireExecTaskRequest.with {
        $0.taskID = id
        $0.command = command
        $0.timeout = Google_Protobuf_Duration(timeout)
      }
      return ExecResult(try await driver.execTask(request))
    }
  }

  /// Runs a command in the context of a task with its input and output as streams.
  ///
  /// The end of `input` half-closes the call. The command may end before it.
  public func execTaskStreaming<Input: AsyncSequence & Sendable>(
    _ request: ExecRequest, input: Input, _ output: @escaping @Sendable (ExecOutput) async throws -> Void
  ) async throws -> ExitResult where Input.Element == ExecInput {
    try await call("ExecTaskStreaming") {
      try await driver.execTaskStreaming { writer in
        try await writer.write(request.wire)
        for try await item in input { try await writer.write(item.wire) }
      } onResponse: { response in
        var result: ExitResult?
        for try await message in response.messages {
          for item in ExecOutput.list(message) { try await output(item) }
          if message.exited { result = ExitResult(message.result) }
        }
        guard let result else {
          throw RPCError(
            code: .internalError, message: "ExecTaskStreaming: the answers ended without an exit result")
        }
        return result
      }
    }
  }

  // MARK: Networks

  /// Has the driver make the network of an allocation.
  ///
  /// - Returns: the network, and whether this call made it.
  public func createNetwork(
    allocationID: String, hostname: String
  ) async throws -> (network: NetworkIsolation, isNew: Bool) {
    try await call("CreateNetwork") {
      let request = WireCreateNetworkRequest.with {
        $0.allocID = allocationID
        $0.hostname = hostname
      }
      let response = try await driver.createNetwork(request)
      return (NetworkIsolation(response.isolationSpec), response.created)
    }
  }

  /// Has the driver remove the network of an allocation.
  public func destroyNetwork(_ network: NetworkIsolation, allocationID: String) async throws {
    try await call("DestroyNetwork") {
      let request = WireDestroyNetworkRequest.with {
        $0.allocID = allocationID
        $0.isolationSpec = network.wire
      }
      _ = try await driver.destroyNetwork(request)
    }
  }

  /// Makes a call, and a driver's error of its failure where the driver is to blame.
  private func call<Answer>(_ method: String, _ body: () async throws -> Answer) async throws -> Answer {
    do {
      return try await body()
    } catch let error as RPCError {
      guard let driverError = DriverError(status: error, method: method) else { throw error }
      throw driverError
    }
  }
}
