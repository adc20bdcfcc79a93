import SwiftProtobuf
import GRPCCore
import Synchronization
import Testing

@testable import NomadPlugin

@Suite(.timeLimit(.minutes(1))) struct StreamTests {
  /// Makes a call, cancels it once it has answered, and checks that the driver's method ended.
  private func expectCancellation(
    of name: String,
    _ call: @escaping @Sendable (PluginConnection, @escaping @Sendable () -> Void) async throws -> Void
  ) async throws {
    let driver = EndlessDriver()
    let calls = CallTap()
    try await withPlugin(driver, calls: calls) { connection in
      let status = await #expect(throws: RPCError.self) {
        try await call(connection) { calls.cancelAll() }
      }
      #expect(status?.code == .cancelled)
      var ended = driver.ended.makeAsyncIterator()
      #expect(await ended.next() == name)
    }
  }

  @Test func fingerprintEndsWithItsCall() async throws {
    try await expectCancellation(of: "Fingerprint") { connection, cancel in
      try await NomadPluginClient(connection).fingerprint { _ in cancel() }
    }
  }

  @Test func taskStatsEndWithTheirCall() async throws {
    try await expectCancellation(of: "TaskStats") { connection, cancel in
      try await NomadPluginClient(connection).taskStats("t", interval: .seconds(1)) { _ in cancel() }
    }
  }

  @Test func taskEventsEndWithTheirCall() async throws {
    try await expectCancellation(of: "TaskEvents") { connection, cancel in
      try await NomadPluginClient(connection).taskEvents { _ in cancel() }
    }
  }

  @Test func execEndsWithItsCall() async throws {
    try await expectCancellation(of: "ExecTaskStreaming") { connection, cancel in
      let request = ExecRequest(taskID: "t", command: ["x"], tty: false)
      let (input, end) = AsyncStream<ExecInput>.makeStream()
      defer { end.finish() }
      _ = try await NomadPluginClient(connection).execTaskStreaming(request, input: input) { _ in cancel() }
    }
  }

  @Test func aUnaryCallEndsToo() async throws {
    let driver = EndlessDriver()
    try await withPlugin(driver) { connection in
      let status = await #expect(throws: RPCError.self) {
        var options = CallOptions.defaults
        options.timeout = .milliseconds(10)
        _ = try await WireDriver.Client(wrapping: connection).waitTask(
          .with { $0.taskID = "t" }, options: options)
      }
      #expect(status?.code == .cancelled || status?.code == .deadlineExceeded)
      var ended = driver.ended.makeAsyncIterator()
      #expect(await ended.next() == "WaitTask")
    }
  }

  @Test func anAnswerThatComesInSpiteOfTheCancellationIsGiven() async throws {
    let handle = ServerContext.RPCCancellationHandle()
    let context = ServerContext(
      descriptor: WireDriver.Method.WaitTask.descriptor, remotePeer: "", localPeer: "", cancellation: handle)
    let answer = try await serve(context) {
      handle.cancel()
      await untilCancelled()
      return 5
    }
    #expect(answer == 5)
  }

  @Test func theClientsOwnErrorEndsTheStream() async throws {
    struct Enough: Error {}
    let driver = RecordingDriver {
      $0.fingerprints = Array(repeating: Fingerprint(health: .healthy, healthDescription: ""), count: 3)
    }
    await #expect(throws: Enough.self) {
      try await withPluginClient(driver) { client in try await client.fingerprint { _ in throw Enough() } }
    }
  }
}
