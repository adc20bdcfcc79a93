import AsyncPrimitives
import Foundation
import GRPCCore
import LibGRPCTransport
import SwiftProtobuf
import Synchronization
import TestHelpers
import Testing

@testable import GoPlugin

@Suite struct PluginServerTests {
  @Test func healthIsThatOfThePlugin() async throws {
    try await TestPlugin.with { plugin in
      try await plugin.withClient { client in
        try await client.expectServing("plugin")
        try await client.expectServing("")
        let error = await #expect(throws: RPCError.self) { try await client.health(of: "other") }
        #expect(error?.code == .notFound)
      }
    }
  }

  @Test(arguments: [("plugin", WireHealthCheckResponse.ServingStatus.serving), ("other", .serviceUnknown)])
  func healthCanBeWatched(service: String, status: WireHealthCheckResponse.ServingStatus) async throws {
    try await TestPlugin.with { plugin in
      try await plugin.withClient { client in
        try await WireHealth.Client(wrapping: client).watch(.with { $0.service = service }) { response in
          var messages = response.messages.makeAsyncIterator()
          let first = try await messages.next()
          #expect(first?.status == status)
          plugin.shutdown.fulfil(.hostRequest)
          let second = try await messages.next()
          #expect(second == nil)
        }
      }
    }
  }

  @Test func lostConnectionEndsNothing() async throws {
    try await TestPlugin.with { plugin in
      for _ in 0..<3 {
        try await plugin.withClient { client in try await client.expectServing("plugin") }
      }
      #expect(plugin.shutdown.current == nil)
    }
  }

  // MARK: Disuse

  private static let idleLimit: Duration = .milliseconds(40)

  @Test func aPluginThatNobodyUsesEnds() async throws {
    try await TestPlugin.with(idleLimit: Self.idleLimit) { plugin in
      try await plugin.serving.value
      #expect(plugin.shutdown.current == .disuse)
    }
  }

  @Test func aHostThatIsConnectedKeepsThePlugin() async throws {
    let isOpen = Promise<Void>()
    try await TestPlugin.with(idleLimit: Self.idleLimit, isInUse: { isOpen.current == nil }) { plugin in
      try await plugin.withClient { client in
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask {
            try await WireHealth.Client(wrapping: client).watch(.with { $0.service = "plugin" }) { response in
              for try await _ in response.messages { isOpen.fulfil(()) }
            }
          }
          try await isOpen.value
          let start = ContinuousClock.now
          try await eventually("more than the limit") { ContinuousClock.now - start > Self.idleLimit * 3 }
          #expect(plugin.shutdown.current == nil)
          group.cancelAll()
        }
      }
      try await plugin.serving.value
      #expect(plugin.shutdown.current == .disuse)
    }
  }

  @Test func aPluginWithSomethingToDoGoesOnWithoutAHost() async throws {
    let isFree = Promise<Void>()
    let asked = Mutex(0)
    try await TestPlugin.with(
      idleLimit: Self.idleLimit,
      isInUse: {
        asked.withLock { $0 += 1 }
        return isFree.current == nil
      }
    ) { plugin in
      // It asks twenty times in the time of the limit.
      try await eventually("more than the limit") { asked.withLock { $0 } > 60 }
      #expect(plugin.shutdown.current == nil)
      isFree.fulfil(())
      try await plugin.serving.value
      #expect(plugin.shutdown.current == .disuse)
    }
  }

  // MARK: The end

  @Test func shutdownAnswersAndEndsAllStreams() async throws {
    let hookCalls = Mutex(0)
    try await TestPlugin.with(onShutdown: { hookCalls.withLock { $0 += 1 } }) { plugin in
      try await plugin.withClient { client in
        let isBrokerOpen = Promise<Void>()
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask {
            try await WireGRPCStdio.Client(wrapping: client).streamStdio(Google_Protobuf_Empty()) {
              response in
              for try await _ in response.messages { Issue.record("Nothing is printed.") }
            }
          }
          group.addTask {
            try await WireGRPCBroker.Client(wrapping: client).startStream { writer in
              try await writer.write(.with { $0.serviceID = 7 })
              isBrokerOpen.fulfil(())
              // Keeps the request open until the server ends the call.
              try await Promise<Void>().value
            } onResponse: { response in
              for try await _ in response.messages { Issue.record("There is nothing to tell.") }
            }
          }
          group.addTask {
            try await isBrokerOpen.value
            _ = try await WireGRPCController.Client(wrapping: client).shutdown(WireEmpty())
          }
          try await group.waitForAll()
        }
      }
      try await plugin.serving.value
      #expect(plugin.shutdown.current == .hostRequest)
      #expect(!FileManager.default.fileExists(atPath: plugin.line.socketPath))
    }
    #expect(hookCalls.withLock { $0 } == 1)
  }

  @Test func brokerStreamEndsWithTheHostsSide() async throws {
    try await TestPlugin.with { plugin in
      try await plugin.withClient { client in
        try await WireGRPCBroker.Client(wrapping: client).startStream { writer in
          try await writer.write(.with { $0.serviceID = 7 })
        } onResponse: { response in
          for try await _ in response.messages { Issue.record("There is nothing to tell.") }
        }
      }
    }
  }

  @Test func endDoesNotWaitForCallsThatHang() async throws {
    let hanging = HangingService()
    try await TestPlugin.with(services: [hanging]) { plugin in
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await plugin.withClient { client in try await hanging.call(client) } }
        try await hanging.started.value
        plugin.shutdown.fulfil(.hostRequest)
        // Ends although the call's handler never does.
        try await plugin.serving.value
        #expect(hanging.ended.current == nil)
        hanging.release.fulfil(())
        await #expect(throws: RPCError.self) { try await group.next() }
      }
      try await hanging.ended.value
    }
  }

  @Test func endDoesNotWaitForAHookThatHangs() async throws {
    let release = Promise<Void>()
    let started = Promise<Void>()
    try await TestPlugin.with(onShutdown: {
      started.fulfil(())
      // Does not heed its cancellation.
      await Task { _ = try? await release.value }.value
    }) { plugin in
      plugin.shutdown.fulfil(.hostRequest)
      try await plugin.serving.value
      #expect(started.current != nil)
      release.fulfil(())
    }
  }

  @Test func callsCanUseTheHookToEnd() async throws {
    let hanging = HangingService()
    try await TestPlugin.with(services: [hanging], onShutdown: { hanging.release.fulfil(()) }) { plugin in
      try await plugin.withClient { client in
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask { try await hanging.call(client) }
          try await hanging.started.value
          plugin.shutdown.fulfil(.termination)
          // The call gets its answer.
          try await group.waitForAll()
        }
      }
    }
  }

  @Test func cancellationEndsThePluginInOrder() async throws {
    let hook = Promise<Bool>()
    try await TestPlugin.with(onShutdown: { hook.fulfil(Task.isCancelled) }) { plugin in
      plugin.serving.cancel()
      try await plugin.serving.value
      #expect(hook.current == false)
    }
  }

  @Test func multiplexingIsDeclinedIfTheHostAsks() async throws {
    try await TestPlugin.with(environment: ["PLUGIN_MULTIPLEX_GRPC": "true"]) { plugin in
      #expect(plugin.line.supportsMultiplexing == false)
    }
    try await TestPlugin.with { plugin in #expect(plugin.line.supportsMultiplexing == nil) }
  }

  @Test func socketIsPrivate() async throws {
    try await TestPlugin.with { plugin in
      let directory = (plugin.line.socketPath as NSString).deletingLastPathComponent
      #expect((directory as NSString).deletingLastPathComponent == plugin.directory.path)
      #expect(mode(of: directory) == 0o700)
      #expect(mode(of: plugin.line.socketPath) == 0o600)
    }
  }

  @Test(arguments: [false, true])
  func socketCanBeAGroups(byName: Bool) async throws {
    // A group that this process may give files to.
    let own = getgid()
    let name = try #require(getgrgid(own).map { String(cString: $0.pointee.gr_name) })
    try await TestPlugin.with(environment: ["PLUGIN_UNIX_SOCKET_GROUP": byName ? name : "\(own)"]) { plugin in
      let directory = (plugin.line.socketPath as NSString).deletingLastPathComponent
      for path in [directory, plugin.line.socketPath] { #expect(group(of: path) == own) }
      #expect(mode(of: directory) == 0o710)
      #expect(mode(of: plugin.line.socketPath) == 0o660)
    }
  }

  @Test func socketCanBeInTheHostsDirectory() async throws {
    let directory = try TemporaryDirectory(environment: [:])
    defer { directory.remove() }
    let environment = ["PLUGIN_UNIX_SOCKET_DIR": directory.path, "PLUGIN_UNIX_SOCKET_GROUP": "\(getgid())"]
    try await TestPlugin.with(environment: environment) { plugin in
      #expect((plugin.line.socketPath as NSString).deletingLastPathComponent == directory.path)
      #expect(mode(of: plugin.line.socketPath) == 0o660)
      // The directory is the host's.
      #expect(mode(of: directory.path) == 0o700)
      try await plugin.withClient { client in try await client.expectServing("plugin") }
    }
    #expect(mode(of: directory.path) == 0o700)
  }

  @Test(arguments: [
    (["TMPDIR": "/nonexistent"], "/nonexistent"),
    (["TMPDIR": "relative"], "absolute"),
    (["PLUGIN_UNIX_SOCKET_DIR": "relative"], "absolute"),
    (["PLUGIN_UNIX_SOCKET_DIR": "/tmp/a|b"], "'|'"),
    (["PLUGIN_UNIX_SOCKET_DIR": "/tmp/a\nb"], "control"),
    (["PLUGIN_UNIX_SOCKET_DIR": "/" + String(repeating: "x", count: 100)], "107"),
    (["PLUGIN_UNIX_SOCKET_GROUP": "no-such-group"], "'no-such-group'"),
    (["PLUGIN_UNIX_SOCKET_GROUP": "4294967295"], "4294967295"),
  ])
  func impossibleSocketIsExplained(environment: [String: String], part: String) async throws {
    let error = await #expect(throws: PluginServerError.self) {
      try await TestPlugin.with(environment: environment) { _ in Issue.record("It must not start.") }
    }
    guard case .socket(let text) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(text.contains(part), "\(text)")
  }

  @Test func longTemporaryDirectoryIsRefusedAndLeftEmpty() async throws {
    let directory = try TemporaryDirectory(environment: [:])
    defer { directory.remove() }
    let long = directory.path + "/" + String(repeating: "x", count: 100)
    try FileManager.default.createDirectory(atPath: long, withIntermediateDirectories: false)
    await #expect(throws: PluginServerError.self) {
      try await TestPlugin.with(environment: ["TMPDIR": long]) { _ in Issue.record("It must not start.") }
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: long).isEmpty)
  }
}

/// A service whose call ends when the test says so, whatever happens to the call.
private struct HangingService: RegistrableRPCService {
  let started = Promise<Void>()
  let release = Promise<Void>()
  let ended = Promise<Void>()

  private static let method = MethodDescriptor(fullyQualifiedService: "test.Hanging", method: "Hang")

  func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {
    router.registerHandler(
      forMethod: Self.method, deserializer: Bytes(), serializer: Bytes()
    ) { request, _ in
      StreamingServerResponse { writer in
        self.started.fulfil(())
        await Task { _ = try? await self.release.value }.value
        try? await writer.write([1])
        self.ended.fulfil(())
        return [:]
      }
    }
  }

  func call(_ client: GRPCClient<LibGRPC.ClientTransport>) async throws {
    try await client.unary(
      request: ClientRequest(message: []), descriptor: Self.method, serializer: Bytes(),
      deserializer: Bytes(),
      options: .defaults
    ) { response in
      let message = try response.message
      #expect(message == [1])
    }
  }

  private struct Bytes: MessageSerializer, MessageDeserializer {
    func serialize<B: GRPCContiguousBytes>(_ message: [UInt8]) throws -> B { B(message) }

    func deserialize<B: GRPCContiguousBytes>(_ bytes: B) throws -> [UInt8] {
      bytes.withUnsafeBytes { Array($0) }
    }
  }
}
