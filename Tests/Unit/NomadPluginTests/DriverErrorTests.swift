import GRPCCore
import SwiftProtobuf
import Testing

@testable import NomadPlugin

@Suite(.timeLimit(.minutes(1))) struct DriverErrorTests {
  private struct PlainError: Error, CustomStringConvertible {
    let description: String
  }

  /// The status of a StartTask that fails with an error.
  private func status(of error: any Error) async throws -> RPCError {
    let driver = RecordingDriver { $0.failure = error }
    return try await withPlugin(driver) { connection in
      try await #require(throws: RPCError.self) {
        try await WireDriver.Client(wrapping: connection).startTask(.with { $0.task.id = "t" })
      }
    }
  }

  private func detailBytes(_ status: RPCError) -> [[UInt8]] {
    Array(status.metadata[binaryValues: "grpc-status-details-bin"])
  }

  @Test func recoverable() async throws {
    let status = try await status(of: DriverError.recoverable("busy"))
    #expect(status.code == .failedPrecondition)
    #expect(status.message == "busy")
    let type = "type.googleapis.com/hashicorp.nomad.plugins.shared.structs.RecoverableError"
    #expect(type.utf8.count == 75)
    // google.rpc.Status: 1 code FAILED_PRECONDITION, 2 message, 3 details { 1 type, 2 value { 1 true } }
    let expected: [UInt8] =
      [0x08, 9, 0x12, 4] + Array("busy".utf8) + [0x1a, 81, 0x0a, 75] + Array(type.utf8) + [0x12, 2, 0x08, 1]
    #expect(detailBytes(status) == [expected])
  }

  @Test func unrecoverable() async throws {
    let status = try await status(of: DriverError.unrecoverable("no such unit"))
    #expect(status.code == .failedPrecondition)
    #expect(status.message == "no such unit")
    let type = "type.googleapis.com/hashicorp.nomad.plugins.shared.structs.RecoverableError"
    let expected: [UInt8] =
      [0x08, 9, 0x12, 12] + Array("no such unit".utf8) + [0x1a, 77, 0x0a, 75] + Array(type.utf8)
    #expect(detailBytes(status) == [expected])
  }

  @Test func taskNotFound() async throws {
    let status = try await status(of: DriverError.taskNotFound)
    #expect(status.code == .unknown)
    #expect(status.message == "task not found for given id")
    #expect(detailBytes(status).isEmpty)
  }

  @Test func otherErrorsShowTheirDescription() async throws {
    let status = try await status(of: PlainError(description: "systemctl hung"))
    #expect(status.code == .unknown)
    #expect(status.message == "systemctl hung")
    #expect(detailBytes(status).isEmpty)
  }

  @Test func longTextsFitIntoTrailers() async throws {
    for error in [
      DriverError.recoverable(String(repeating: "ü", count: 10_000)) as any Error,
      PlainError(description: String(repeating: "x", count: 1_000_000)),
    ] {
      let status = try await status(of: error)
      #expect(status.message.hasSuffix(" …"))
      #expect(status.message.utf8.count < 1600)
    }
    let most = String(repeating: "x", count: 1536)
    #expect(try await self.status(of: PlainError(description: most)).message == most)
  }

  @Test(arguments: [
    DriverError.recoverable("try again"), .unrecoverable("no such unit"), .taskNotFound, .recoverable(""),
    .unrecoverable("mit Umlauten: äöü\nand a second line"),
  ])
  func theClientReadsThemBack(error: DriverError) async throws {
    let driver = RecordingDriver { $0.failure = error }
    try await withPluginClient(driver) { client in
      await #expect(throws: error) { try await client.startTask(TaskConfig(id: "t")) }
      await #expect(throws: error) {
        try await client.recoverTask(TaskHandle(config: fullTaskConfig, driverState: []))
      }
      await #expect(throws: error) { try await client.waitTask("t") }
      await #expect(throws: error) { try await client.stopTask("t", timeout: .zero) }
      await #expect(throws: error) { try await client.destroyTask("t", force: true) }
      await #expect(throws: error) { try await client.inspectTask("t") }
      await #expect(throws: error) { try await client.taskStats("t", interval: .seconds(1)) { _ in } }
      await #expect(throws: error) { try await client.signalTask("t", signal: "SIGHUP") }
      await #expect(throws: error) { try await client.execTask("t", command: ["x"], timeout: .zero) }
      await #expect(throws: error) { try await client.fingerprint { _ in } }
      await #expect(throws: error) { try await client.taskEvents { _ in } }
    }
  }

  @Test func aDetailOfAnotherKindIsNotRecoverable() {
    let status = RPCError(
      code: .failedPrecondition, message: "busy",
      metadata: ["grpc-status-details-bin": .binary([0x08, 9, 0x12, 1, 0x78])])
    #expect(DriverError(status: status, method: "StartTask") == .unrecoverable("busy"))
    let garbage = RPCError(
      code: .failedPrecondition, message: "busy", metadata: ["grpc-status-details-bin": .binary([0xff])])
    #expect(DriverError(status: garbage, method: "StartTask") == .unrecoverable("busy"))
  }

  @Test func failuresOfTheCallAreNotTheDrivers() {
    for code: RPCError.Code in [
      .unavailable, .deadlineExceeded, .cancelled, .internalError, .resourceExhausted,
    ] {
      #expect(DriverError(status: RPCError(code: code, message: ""), method: "StartTask") == nil)
    }
  }

  @Test func optionalCallsNameThemselves() async throws {
    try await withPlugin(MinimalDriver()) { connection in
      let raw = WireDriver.Client(wrapping: connection)
      func expect(_ name: String, _ call: () async throws -> Void) async {
        let status = await #expect(throws: RPCError.self) { try await call() }
        #expect(status?.code == .unimplemented)
        #expect(status?.message == "\(name) is not implemented by this driver")
      }
      await expect("Init") { _ = try await raw.initialize(.init()) }
      await expect("Shutdown") { _ = try await raw.shutdown(.init()) }
      await expect("CreateNetwork") { _ = try await raw.createNetwork(.init()) }
      await expect("DestroyNetwork") { _ = try await raw.destroyNetwork(.init()) }
      await expect("SignalTask") { _ = try await raw.signalTask(.init()) }
      await expect("ExecTask") { _ = try await raw.execTask(.with { $0.command = ["x"] }) }
      await expect("TaskStats") {
        try await raw.taskStats(.init()) { response in for try await _ in response.messages {} }
      }
      await expect("TaskEvents") {
        try await raw.taskEvents(.init()) { response in for try await _ in response.messages {} }
      }
      await expect("ExecTaskStreaming") {
        try await raw.execTaskStreaming { writer in
          try await writer.write(.with { $0.setup.command = ["x"] })
        } onResponse: { response in
          for try await _ in response.messages {}
        }
      }
    }
  }

  @Test func theClientNamesThem() async throws {
    try await withPluginClient(MinimalDriver()) { client in
      await #expect(throws: DriverError.unimplemented("Init")) { try await client.initialize() }
      await #expect(throws: DriverError.unimplemented("Shutdown")) { try await client.shutdown() }
      await #expect(throws: DriverError.unimplemented("SignalTask")) {
        try await client.signalTask("t", signal: "SIGHUP")
      }
      await #expect(throws: DriverError.unimplemented("CreateNetwork")) {
        _ = try await client.createNetwork(allocationID: "a", hostname: "h")
      }
      await #expect(throws: DriverError.unimplemented("DestroyNetwork")) {
        try await client.destroyNetwork(NetworkIsolation(mode: .group), allocationID: "a")
      }
    }
  }
}
