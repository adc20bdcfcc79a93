import Foundation
import GRPCCore
import TestHelpers
import Testing

@testable import LibGRPCTransport

private let peer = "\(interopDirectory)/grpcpeer"

/// Against grpc-go, the implementation that Nomad uses.
@Suite(
  .enabled(if: FileManager.default.isExecutableFile(atPath: peer), "make interop builds the peer, from Go"))
struct GoPeerTests {
  /// A run of the peer, killed with the last reference to it.
  private final class Peer: @unchecked Sendable {
    private let process = Process()
    private let output = Pipe()
    private let input = Pipe()

    init(_ arguments: String...) throws {
      self.process.executableURL = URL(fileURLWithPath: peer)
      self.process.arguments = arguments
      self.process.standardOutput = self.output
      self.process.standardError = self.output
      self.process.standardInput = self.input
    }

    /// Runs to the end. Gives the exit status and all that was printed.
    func run() async throws -> (status: Int32, output: String) {
      let (ends, end) = AsyncStream.makeStream(of: Int32.self)
      self.process.terminationHandler = { end.yield($0.terminationStatus) }
      try self.process.run()
      let handle = self.output.fileHandleForReading
      let output = await withCheckedContinuation { continuation in
        DispatchQueue.global().async { continuation.resume(returning: handle.readDataToEndOfFile()) }
      }
      var status: Int32 = -1
      for await end in ends {
        status = end
        break
      }
      return (status, String(decoding: output, as: UTF8.self))
    }

    /// Starts it and waits until it says that it is ready.
    func start() async throws {
      try self.process.run()
      let handle = self.output.fileHandleForReading
      let ready = await withCheckedContinuation { continuation in
        DispatchQueue.global().async { continuation.resume(returning: handle.availableData) }
      }
      #expect(String(decoding: ready, as: UTF8.self) == "ready\n")
    }

    func end() { try? self.input.fileHandleForWriting.close() }
  }

  private func cancelledCalls(_ client: Client) async throws -> Int {
    Int(String(decoding: try await client.call("Cancelled").message, as: UTF8.self)) ?? -1
  }

  @Test func goClientOfOurServer() async throws {
    try await withSocketPath { path in
      try await withGRPCServer(
        transport: LibGRPC.ServerTransport(unixSocketPath: path), services: [EchoService()]
      ) { _ in
        let (status, output) = try await Peer("client", "unix:\(path)").run()
        #expect(status == 0, "\(output)")
        for name in [
          "unary", "metadata", "server-stream", "deadline", "cancel", "disconnect", "unimplemented",
        ] {
          #expect(output.contains("ok \(name)"), "\(output)")
        }
      }
    }
  }

  @Test func ourClientOfAGoServer() async throws {
    try await withSocketPath { path in
      let server = try Peer("server", "unix:\(path)")
      try await server.start()
      defer { server.end() }
      try await withGRPCClient(transport: LibGRPC.ClientTransport(unixSocketPath: path)) { client in
        for size in [0, 1, 1 << 20, 20 << 20] {
          let message = [UInt8](repeating: 5, count: size)
          let answer = try await client.call("Unary", message).message
          #expect(answer == message)
        }
        let answer = try await client.call(
          "Unary", [1], metadata: ["echo-a": "1", "echo-b-bin": .binary([0, 255]), "echo-trailing-t": "end"])
        #expect(Array(answer.initial[stringValues: "echo-a"]) == ["1"])
        #expect(Array(answer.initial[binaryValues: "echo-b-bin"]) == [[0, 255]])
        #expect(Array(answer.trailing[stringValues: "echo-trailing-t"]) == ["end"])

        let count = try await client.stream("ServerStream") {
          try await $0.write(Array("5000 1000".utf8))
        } _: { response in
          try await response.messages.reduce(into: 0) { count, _ in count += 1 }
        }
        #expect(count == 5000)
        let total = try await client.stream("ClientStream") { writer in
          for size in 0..<1000 { try await writer.write([UInt8](repeating: 7, count: size)) }
        } _: { response in
          try await response.messages.reduce(into: [UInt8]()) { $0 += $1 }
        }
        #expect(String(decoding: total, as: UTF8.self) == "1000 499500")
        let echoed = try await client.stream("BidiStream") { writer in
          for index in 0..<100 { try await writer.write([UInt8(index)]) }
        } _: { response in
          try await response.messages.reduce(into: [UInt8]()) { $0 += $1 }
        }
        #expect(echoed == (0..<100).map { UInt8($0) })

        for code in 1...16 {
          let error = await #expect(throws: RPCError.self) {
            try await client.call("Fail", Array("\(code) größer als 100 %".utf8))
          }
          #expect(error?.code.rawValue == code)
          #expect(error?.message == "größer als 100 %")
          #expect(error.map { Array($0.metadata[binaryValues: "detail-bin"]) } == [[0x00, 0xff, 0x10]])
        }
        var options = CallOptions.defaults
        options.timeout = .milliseconds(100)
        let late = await #expect(throws: RPCError.self) { try await client.call("Hang", options: options) }
        #expect(late?.code == .deadlineExceeded)
        // Cancelled later and later, until the call has reached the server before.
        let before = try await self.cancelledCalls(client)
        var patience = Duration.milliseconds(1)
        while try await self.cancelledCalls(client) <= before, patience < .seconds(30) {
          let hanging = Task { try await client.call("Hang") }
          try await Task.sleep(for: patience)
          hanging.cancel()
          await #expect(throws: (any Error).self) { try await hanging.value }
          patience *= 2
        }
        let after = try await self.cancelledCalls(client)
        #expect(after > before)
      }
    }
  }
}
