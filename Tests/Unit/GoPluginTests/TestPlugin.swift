import SwiftProtobuf
import AsyncPrimitives
import Foundation
import GRPCCore
import LibGRPCTransport
import Logging
import Testing

@testable import GoPlugin

/// A plugin that serves in this process, and a directory of its own.
struct TestPlugin {
  static let cookie = MagicCookie(key: "TEST_COOKIE", value: "open sesame")

  let line: ProtocolLine
  let directory: TemporaryDirectory
  let shutdown: Promise<PluginServer.EndReason>
  let serving: Task<Void, any Error>

  /// Starts a plugin, calls `body`, ends the plugin if it still runs, and checks that it leaves nothing behind.
  static func with(
    environment: [String: String] = [:], services: [any RegistrableRPCService] = [],
    idleLimit: Duration? = nil, isInUse: @escaping @Sendable () -> Bool = { false },
    onShutdown: @escaping @Sendable () async -> Void = {}, _ body: (TestPlugin) async throws -> Void
  ) async throws {
    let directory = try TemporaryDirectory(environment: [:])
    defer { directory.remove() }
    var environment = environment.merging(["TMPDIR": directory.path]) { given, _ in given }
    environment[cookie.key] = cookie.value
    environment["PLUGIN_PROTOCOL_VERSIONS"] = "2"
    let server = PluginServer(
      magicCookie: cookie, protocolVersions: [2], services: services, environment: environment,
      idleLimit: idleLimit, isInUse: isInUse, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    let handshake = try Handshake(environment: environment, magicCookie: cookie, protocolVersions: [2])
    let shutdown = Promise<PluginServer.EndReason>()
    let line = Promise<ProtocolLine?>()
    let serving = Task {
      defer { line.fulfil(nil) }
      try await server.serve(
        handshake, shutdown: shutdown, announce: { line.fulfil($0) }, onShutdown: onShutdown)
    }
    guard let line = try await line.value else {
      // Why it did not start.
      try await serving.value
      return
    }
    let result: Result<Void, any Error>
    do {
      result = .success(
        try await body(TestPlugin(line: line, directory: directory, shutdown: shutdown, serving: serving)))
    } catch {
      result = .failure(error)
    }
    shutdown.fulfil(.termination)
    try await serving.value
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty)
    #expect(!FileManager.default.fileExists(atPath: line.socketPath))
    try result.get()
  }

  /// Calls `body` with a client of the plugin.
  func withClient<Result: Sendable>(
    _ body: (GRPCClient<LibGRPC.ClientTransport>) async throws -> Result
  ) async throws -> Result {
    try await withGRPCClient(
      transport: try LibGRPC.ClientTransport(unixSocketPath: self.line.socketPath)
    ) { client in
      try await body(client)
    }
  }
}

extension GRPCClient {
  /// What the plugin's health service says.
  func health(of service: String) async throws -> WireHealthCheckResponse.ServingStatus {
    try await WireHealth.Client(wrapping: self).check(.with { $0.service = service }).status
  }

  /// Expects the health service to say that `service` is able to serve.
  func expectServing(_ service: String = "plugin") async throws {
    let status = try await self.health(of: service)
    #expect(status == .serving)
  }
}

/// The permission bits of a file.
func mode(of path: String) -> mode_t {
  var status = stat()
  return stat(path, &status) == 0 ? status.st_mode & 0o7777 : .max
}

/// The group of a file.
func group(of path: String) -> gid_t {
  var status = stat()
  return stat(path, &status) == 0 ? status.st_gid : .max
}
