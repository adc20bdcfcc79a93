import SwiftProtobuf
public import GRPCCore

/// The service of a task driver, `hashicorp.nomad.plugins.drivers.proto.Driver`.
///
/// Init, Shutdown, CreateNetwork and DestroyNetwork are answered with UNIMPLEMENTED. Nomad does without the first
/// two, and calls the others only if the driver says that it must create networks.
public struct DriverService: RegistrableRPCService {
  private let handlers: Handlers

  /// Makes the service for a driver.
  public init(_ driver: any TaskDriver) {
    handlers = Handlers(driver: driver)
  }

  /// Adds the service's methods to a server's router.
  public func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {
    handlers.registerMethods(with: &router)
  }
}

private struct Handlers: WireDriver.SimpleServiceProtocol {
  let driver: any TaskDriver

  // MARK: The driver

  func initialize(request: WireInitRequest, context: ServerContext) async throws -> WireInitResponse {
    throw RPCError(driverError: DriverError.unimplemented("Init"))
  }

  func shutdown(request: WireShutdownRequest, context: ServerContext) async throws -> WireShutdownResponse {
    try await serve(context) {
      try await driver.shutdown()
      return WireShutdownResponse()
    }
  }

  func taskConfigSchema(
    request: WireTaskConfigSchemaRequest, context: ServerContext
  ) async throws -> WireTaskConfigSchemaResponse {
    .with { $0.spec = driver.taskConfigurationSchema.wire }
  }

  func capabilities(
    request: WireCapabilitiesRequest, context: ServerContext
  ) async throws -> WireCapabilitiesResponse {
    try await serve(context) {
      let capabilities = await driver.capabilities
      return .with { $0.capabilities = capabilities.wire }
    }
  }

  func fingerprint(
    request: WireFingerprintRequest, response: RPCWriter<WireFingerprintResponse>, context: ServerContext
  ) async throws {
    try await serve(context) {
      let writer = SerialWriter(response)
      try await driver.fingerprint { try await writer.write($0.wire) }
    }
  }

  // MARK: The life of a task

  func startTask(request: WireStartTaskRequest, context: ServerContext) async throws -> WireStartTaskResponse
  {
    try await serve(context) {
      let config = TaskConfig(request.task)
      try requireTaskID(config.id, in: "StartTask")
      let handle = try await driver.startTask(config)
      return .with { $0.handle = handle.wire }
    }
  }

  func recoverTask(
    request: WireRecoverTaskRequest, context: ServerContext
  ) async throws -> WireRecoverTaskResponse {
    try await serve(context) {
      let handle = TaskHandle(request.handle)
      try requireTaskID(handle.config.id, in: "RecoverTask")
      try await driver.recoverTask(handle)
      return WireRecoverTaskResponse()
    }
  }

  func waitTask(request: WireWaitTaskRequest, context: ServerContext) async throws -> WireWaitTaskResponse {
    try await serve(context) {
      try await driver.waitTask(request.taskID).waitTaskResponse
    }
  }

  func stopTask(request: WireStopTaskRequest, context: ServerContext) async throws -> WireStopTaskResponse {
    try await serve(context) {
      try await driver.stopTask(
        request.taskID, timeout: request.timeout.nonnegative,
        signal: request.signal.isEmpty ? nil : request.signal)
      return WireStopTaskResponse()
    }
  }

  func destroyTask(
    request: WireDestroyTaskRequest, context: ServerContext
  ) async throws -> WireDestroyTaskResponse {
    try await serve(context) {
      try await driver.destroyTask(request.taskID, force: request.force)
      return WireDestroyTaskResponse()
    }
  }

  func inspectTask(
    request: WireInspectTaskRequest, context: ServerContext
  ) async throws -> WireInspectTaskResponse {
    try await serve(context) {
      try await driver.inspectTask(request.taskID).wire
    }
  }

  func signalTask(
    request: WireSignalTaskRequest, context: ServerContext
  ) async throws -> WireSignalTaskResponse {
    try await serve(context) {
      try await driver.signalTask(request.taskID, signal: request.signal)
      return WireSignalTaskResponse()
    }
  }

  // MARK: Usage and events

  func taskStats(
    request: WireTaskStatsRequest, response: RPCWriter<WireTaskStatsResponse>, context: ServerContext
  ) async throws {
    try await serve(context) {
      let writer = SerialWriter(response)
      try await driver.taskStats(request.taskID, interval: interval(request)) { usage in
        try await writer.write(.with { $0.stats = usage.wire(taskID: request.taskID) })
      }
    }
  }

  /// The interval asked for. None at all becomes Nomad's default of a second; a tenth of a second is the least, so
  /// that no caller keeps the driver busy.
  private func interval(_ request: WireTaskStatsRequest) -> Duration {
    let interval = request.collectionInterval.nonnegative
    return interval == .zero ? .seconds(1) : max(interval, .milliseconds(100))
  }

  func taskEvents(
    request: WireTaskEventsRequest, response: RPCWriter<WireDriverTaskEvent>, context: ServerContext
  ) async throws {
    try await serve(context) {
      let writer = SerialWriter(response)
      try await driver.taskEvents { try await writer.write($0.wire) }
    }
  }

  // MARK: Commands in the context of a task

  func execTask(request: WireExecTaskRequest, context: ServerContext) async throws -> WireExecTaskResponse {
    try await serve(context) {
      try requireCommand(request.command, in: "ExecTask")
      guard request.timeout.seconds >= 0, request.timeout.nanos >= 0 else {
        throw RPCError(code: .invalidArgument, message: "ExecTask: the timeout must not be negative")
      }
      return try await driver.execTask(
        request.taskID, command: request.command, timeout: request.timeout.nonnegative
      ).wire
    }
  }

  func execTaskStreaming(
    request: RPCAsyncSequence<WireExecTaskStreamingRequest, any Error>,
    response: RPCWriter<WireExecTaskStreamingResponse>, context: ServerContext
  ) async throws {
    try await serve(context) {
      var messages = request.makeAsyncIterator()
      guard let first = try await messages.next(), first.hasSetup else {
        throw RPCError(
          code: .invalidArgument, message: "ExecTaskStreaming: the first message must have 'setup'")
      }
      try requireCommand(first.setup.command, in: "ExecTaskStreaming")

      let writer = SerialWriter(response)
      let result = try await driver.execTaskStreaming(
        ExecRequest(first.setup), input: ExecInputs(messages)
      ) { output in
        // Nomad reads a message without data as nothing at all, so there is no use in sending one.
        if !output.isEmpty { try await writer.write(output.wire) }
      }
      // The order of Nomad's own drivers: both streams end, then the command.
      try await writer.write(.with { $0.stdout.close = true })
      try await writer.write(.with { $0.stderr.close = true })
      try await writer.write(
        .with {
          $0.exited = true
          $0.result = result.wire
        })
    }
  }

  // MARK: Networks

  func createNetwork(
    request: WireCreateNetworkRequest, context: ServerContext
  ) async throws -> WireCreateNetworkResponse {
    throw RPCError(driverError: DriverError.unimplemented("CreateNetwork"))
  }

  func destroyNetwork(
    request: WireDestroyNetworkRequest, context: ServerContext
  ) async throws -> WireDestroyNetworkResponse {
    throw RPCError(driverError: DriverError.unimplemented("DestroyNetwork"))
  }

  // MARK: Requests

  private func requireTaskID(_ id: String, in method: String) throws(RPCError) {
    guard !id.isEmpty else {
      throw RPCError(code: .invalidArgument, message: "\(method): the request has no task ID")
    }
  }

  private func requireCommand(_ command: [String], in method: String) throws(RPCError) {
    guard let program = command.first, !program.isEmpty else {
      throw RPCError(code: .invalidArgument, message: "\(method): the request has no command")
    }
  }
}
