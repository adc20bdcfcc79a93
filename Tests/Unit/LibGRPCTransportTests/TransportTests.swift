import Foundation
import GRPCCore
import Synchronization
import TestHelpers
import Testing

@testable import LibGRPCTransport

@Suite struct TransportTests {
  @Test(arguments: [0, 1, 1 << 20, 20 << 20])
  func unary(size: Int) async throws {
    try await withEcho { client, _, _ in
      let message = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
      let answer = try await client.call("Unary", message).message
      #expect(answer == message)
    }
  }

  @Test func metadataBothWays() async throws {
    try await withEcho { client, _, _ in
      var metadata: Metadata = [
        "echo-a": "1", "echo-a": "2 with spaces", "echo-x-bin": .binary([0, 255, 10]),
        "echo-trailing-t": "end", "echo-trailing-t-bin": .binary([]), "other": "not echoed",
      ]
      metadata.addString("3", forKey: "echo-a")
      let answer = try await client.call("Unary", [1], metadata: metadata)
      #expect(Array(answer.initial[stringValues: "echo-a"]) == ["1", "2 with spaces", "3"])
      #expect(Array(answer.initial[binaryValues: "echo-x-bin"]) == [[0, 255, 10]])
      #expect(Array(answer.trailing[stringValues: "echo-trailing-t"]) == ["end"])
      #expect(Array(answer.trailing[binaryValues: "echo-trailing-t-bin"]) == [[]])
      #expect(Array(answer.initial["other"]).isEmpty)
    }
  }

  @Test(arguments: ["Upper Case", "new\nline", "", "häh"])
  func illegalMetadataKeysAreRefused(key: String) async throws {
    try await withEcho { client, _, _ in
      let error = await #expect(throws: RPCError.self) {
        try await client.call("Unary", [1], metadata: [key: "x"])
      }
      #expect(error?.code == .invalidArgument)
      let answer = try await client.call("Unary", [1]).message
      #expect(answer == [1])
    }
  }

  @Test func illegalMetadataOfAHandlerIsAnError() async throws {
    try await withEcho { client, _, _ in
      let error = await #expect(throws: RPCError.self) {
        try await client.call("Fail", Array("metadata".utf8))
      }
      #expect(error?.code == .invalidArgument)
    }
  }

  @Test func aTimeThatIsOver() async throws {
    try await withEcho { client, _, _ in
      var options = CallOptions.defaults
      options.timeout = .milliseconds(-5)
      let error = await #expect(throws: RPCError.self) { try await client.call("Unary", options: options) }
      #expect(error?.code == .deadlineExceeded)
    }
  }

  @Test func base64UnderABinaryKey() async throws {
    try await withEcho { client, _, _ in
      let answer = try await client.call("Unary", [1], metadata: ["echo-x-bin": "AAEC"])
      #expect(Array(answer.initial[binaryValues: "echo-x-bin"]) == [[0, 1, 2]])
    }
  }

  @Test func theStatusOfACallThatTheServerEndsEarly() async throws {
    try await withEcho { client, _, _ in
      // The server fails at the first message; the client goes on to write until it cannot.
      let error = await #expect(throws: RPCError.self) {
        try await client.stream("FailAtOnce") { writer in
          while true { try await writer.write([UInt8](repeating: 0, count: 1000)) }
        } _: { response in
          for try await _ in response.messages {}
        }
      }
      #expect(error?.code == .resourceExhausted)
      #expect(error?.message == "enough")
    }
  }

  @Test func shutdownBeforeServing() async throws {
    try await withSocketPath { path in
      let transport = try LibGRPC.ServerTransport(unixSocketPath: path)
      transport.beginGracefulShutdown()
      try await transport.listen { _, _ in }
      await #expect(throws: RPCError.self) { try await transport.listen { _, _ in } }
    }
  }

  @Test func serverStreamInOrder() async throws {
    try await withEcho { client, _, _ in
      let count = try await client.stream("ServerStream") {
        try await $0.write(Array("5000 100".utf8))
      } _: { response in
        var next = 0
        for try await message in response.messages {
          #expect(message.count == 100)
          #expect(message.prefix(8).reduce(0) { $0 << 8 | Int($1) } == next)
          next += 1
        }
        return next
      }
      #expect(count == 5000)
    }
  }

  @Test func clientStream() async throws {
    try await withEcho { client, _, _ in
      let answer = try await client.stream("ClientStream") { writer in
        for size in 0..<1000 { try await writer.write([UInt8](repeating: 7, count: size)) }
      } _: { response in
        try await response.messages.reduce(into: [UInt8]()) { $0 += $1 }
      }
      #expect(String(decoding: answer, as: UTF8.self) == "1000 499500")
    }
  }

  @Test func bidirectionalPingPong() async throws {
    try await withEcho { client, _, _ in
      // Each message is sent only after the answer to the one before has come.
      let (answers, continuation) = AsyncStream.makeStream(of: Int.self)
      let count = try await client.stream("BidiStream") { writer in
        try await writer.write([0])
        for await answer in answers.prefix(999) {
          try await writer.write([UInt8](repeating: 1, count: answer + 1))
        }
      } _: { response in
        var count = 0
        for try await message in response.messages {
          count += 1
          continuation.yield(message.count)
        }
        return count
      }
      #expect(count == 1000)
    }
  }

  @Test(arguments: 1...16)
  func errorStatus(code: Int) async throws {
    try await withEcho { client, _, _ in
      let error = await #expect(throws: RPCError.self) {
        try await client.call("Fail", Array("\(code) nicht möglich: 100 %\n✗".utf8))
      }
      #expect(error?.code.rawValue == code)
      #expect(error?.message == "nicht möglich: 100 %\n✗")
      #expect(error.map { Array($0.metadata[binaryValues: "detail-bin"]) } == [[0x00, 0xff, 0x10]])
    }
  }

  @Test func unknownMethodAndService() async throws {
    try await withEcho { client, _, _ in
      let error = await #expect(throws: RPCError.self) { try await client.call("Nothing") }
      #expect(error?.code == .unimplemented)
    }
  }

  @Test func deadlineEndsBothSides() async throws {
    try await withEcho { client, service, _ in
      var options = CallOptions.defaults
      options.timeout = .milliseconds(100)
      // On a busy machine the time may be over before the call has reached the server.
      while service.hanging.withLock({ $0.entered == 0 }) {
        let error = await #expect(throws: RPCError.self) { try await client.call("Hang", options: options) }
        #expect(error?.code == .deadlineExceeded)
      }
      try await eventually { service.hanging.withLock { $0.cancelled == $0.entered } }
    }
  }

  @Test func cancellingTheClientCancelsTheHandler() async throws {
    try await withEcho { client, service, _ in
      let call = Task { try await client.call("Hang") }
      try await eventually { service.hanging.withLock { $0.entered == 1 } }
      call.cancel()
      await #expect(throws: (any Error).self) { try await call.value }
      try await eventually { service.hanging.withLock { $0.cancelled == 1 } }
      let answer = try await client.call("Unary", [1]).message
      #expect(answer == [1])
    }
  }

  @Test func clientThatGoesAwayCancelsItsHandlers() async throws {
    try await withSocketPath { path in
      let service = EchoService()
      try await withGRPCServer(
        transport: LibGRPC.ServerTransport(unixSocketPath: path), services: [service]
      ) { _ in
        let client = GRPCClient(transport: try LibGRPC.ClientTransport(unixSocketPath: path))
        let connection = Task { try await client.runConnections() }
        let calls = (0..<5).map { _ in Task { try await client.call("Hang") } }
        try await eventually { service.hanging.withLock { $0.entered == 5 } }
        connection.cancel()
        for call in calls { await #expect(throws: (any Error).self) { try await call.value } }
        try await connection.value
        try await eventually { service.hanging.withLock { $0.cancelled == 5 } }
      }
    }
  }

  @Test func writerWaitsForTheReader() async throws {
    try await withEcho { client, service, _ in
      let (resume, continuation) = AsyncStream.makeStream(of: Void.self)
      async let count = client.stream("ServerStream") {
        try await $0.write(Array("20000 10000".utf8))
      } _: { response in
        var count = 0
        for try await message in response.messages {
          #expect(message.count == 10000)
          if count == 0 { for await _ in resume { break } }
          count += 1
        }
        return count
      }
      // The writer stops where the windows of HTTP/2 end, far from the 200 MB.
      var last = -1
      try await eventually {
        let sent = service.sent.withLock { $0 }
        try await Task.sleep(for: .milliseconds(100))
        return sent > 0 && service.sent.withLock { $0 } == sent
      }
      last = service.sent.withLock { $0 }
      #expect(last < 10000)
      continuation.yield()
      #expect(try await count == 20000)
    }
  }

  @Test func manyCallsAtOnce() async throws {
    try await withEcho { client, _, _ in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for caller in 0..<200 {
          group.addTask {
            for index in 0..<20 {
              let message = Array("\(caller) \(index)".utf8)
              let answer = try await client.call("Unary", message).message
              #expect(answer == message)
            }
          }
        }
        try await group.waitForAll()
      }
    }
  }

  @Test func gracefulShutdownLetsCallsEnd() async throws {
    try await withSocketPath { path in
      let service = EchoService()
      let server = GRPCServer(
        transport: try LibGRPC.ServerTransport(unixSocketPath: path), services: [service])
      let serving = Task { try await server.serve() }
      try await withGRPCClient(transport: LibGRPC.ClientTransport(unixSocketPath: path)) { client in
        let (go, continuation) = AsyncStream.makeStream(of: [UInt8].self)
        let (answers, answerContinuation) = AsyncStream.makeStream(of: [UInt8].self)
        let running = Task {
          try await client.stream("BidiStream") { writer in
            try await writer.write([1])
            for await message in go { try await writer.write(message) }
          } _: { response in
            for try await message in response.messages { answerContinuation.yield(message) }
          }
        }
        var answer = answers.makeAsyncIterator()
        #expect(await answer.next() == [1])
        server.beginGracefulShutdown()
        // New calls are refused, whether on this connection or a new one.
        try await eventually { (try? await client.call("Unary", [1])) == nil }
        continuation.yield([2])
        #expect(await answer.next() == [2])
        continuation.finish()
        do {
          try await running.value
        } catch let error as RPCError where error.code == .unavailable {
          // The server closes the connection after the call's status. If libgrpc's client comes to write something just
          // then, an acknowledgement for example, it gives the connection up before it has read that.
        }
        try await serving.value
      }
      #expect(!FileManager.default.fileExists(atPath: path))
    }
  }

  @Test func abruptShutdownCancelsCalls() async throws {
    try await withSocketPath { path in
      let service = EchoService()
      let server = GRPCServer(
        transport: try LibGRPC.ServerTransport(unixSocketPath: path), services: [service])
      let serving = Task { try await server.serve() }
      try await withGRPCClient(transport: LibGRPC.ClientTransport(unixSocketPath: path)) { client in
        let call = Task { try await client.call("Hang") }
        try await eventually { service.hanging.withLock { $0.entered == 1 } }
        serving.cancel()
        try await serving.value
        await #expect(throws: RPCError.self) { try await call.value }
        #expect(service.hanging.withLock { $0.cancelled } == 1)
      }
    }
  }

  @Test func aServerThatNeverServesLeavesNothing() async throws {
    try await withSocketPath { path in
      do {
        let transport = try LibGRPC.ServerTransport(unixSocketPath: path)
        #expect(FileManager.default.fileExists(atPath: path))
        withExtendedLifetime(transport) {}
      }
      try await eventually { !FileManager.default.fileExists(atPath: path) }
    }
  }

  @Test func unusablePaths() async throws {
    for path in ["relative", "/tmp/" + String(repeating: "x", count: 200), "/a\0b", ""] {
      let error = #expect(throws: RPCError.self) { try LibGRPC.ServerTransport(unixSocketPath: path) }
      #expect(error?.code == .invalidArgument)
      #expect(throws: RPCError.self) { try LibGRPC.ClientTransport(unixSocketPath: path) }
    }
    let error = #expect(throws: RPCError.self) {
      try LibGRPC.ServerTransport(unixSocketPath: "/nonexistent/directory/s")
    }
    #expect(error?.code == .unavailable)
  }

  @Test func pathsWithOddCharacters() async throws {
    try await withSocketPath { path in
      let odd = path + " %41?#é"
      try await withGRPCServer(
        transport: LibGRPC.ServerTransport(unixSocketPath: odd), services: [EchoService()]
      ) { _ in
        #expect(FileManager.default.fileExists(atPath: odd))
        try await withGRPCClient(transport: LibGRPC.ClientTransport(unixSocketPath: odd)) { client in
          let answer = try await client.call("Unary", [4]).message
          #expect(answer == [4])
        }
      }
    }
  }

  @Test func noServer() async throws {
    try await withSocketPath { path in
      try await withGRPCClient(transport: LibGRPC.ClientTransport(unixSocketPath: path)) { client in
        let error = await #expect(throws: RPCError.self) { try await client.call("Unary") }
        #expect(error?.code == .unavailable)
      }
    }
  }
}
