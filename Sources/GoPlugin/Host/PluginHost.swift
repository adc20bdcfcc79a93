import AsyncPrimitives
public import Foundation
public import GRPCCore
public import LibGRPCTransport
import Processes
import SwiftProtobuf

/// Starts plugins as a go-plugin host does (go-plugin, `client.go`), over unix sockets, without TLS.
public struct PluginHost: Sendable {
  /// A plugin that runs and is well.
  public struct RunningPlugin: Sendable {
    /// For calls of the plugin's own services. Valid as long as the body of
    /// ``PluginHost/withPlugin(onOutput:_:)`` runs.
    public let client: GRPCClient<LibGRPC.ClientTransport>
    /// The version of the plugin's own protocol that was agreed on.
    public let protocolVersion: Int
    /// The plugin's process.
    public let processIdentifier: Int32
  }

  /// A ``PluginHostError`` without what the plugin has printed, which is known whole when it has ended.
  private struct Failure: Error {
    let code: PluginHostError.Code
    let reason: String

    init(_ code: PluginHostError.Code, _ reason: String) {
      self.code = code
      self.reason = reason
    }
  }

  /// How long a plugin that was asked to end may take until it is killed; go-plugin's value.
  private static let exitLimit: Duration = .seconds(2)
  /// How long a plugin may take to answer that it is well.
  private static let healthLimit: Duration = .seconds(10)

  private let path: String
  private let arguments: [String]
  private let environment: [String: String]
  private let magicCookie: MagicCookie
  private let protocolVersions: [Int]
  private let startLimit: Duration

  /// Describes a plugin; nothing is started yet.
  ///
  /// - Parameters:
  ///   - path: The plugin's program.
  ///   - arguments: Its arguments.
  ///   - environment: Its environment; the handshake's variables are added, and `TMPDIR` becomes a directory that
  ///     is removed after the plugin has ended.
  ///   - magicCookie: The cookie that the plugin expects.
  ///   - protocolVersions: The versions of the plugin's own protocol that the caller speaks.
  ///   - startLimit: How long the plugin may take to print its protocol line.
  public init(
    path: String, arguments: [String] = [],
    environment: [String: String] = ProcessInfo.processInfo.environment, magicCookie: MagicCookie,
    protocolVersions: [Int], startLimit: Duration = .seconds(60)
  ) {
    self.path = path
    self.arguments = arguments
    self.environment = environment
    self.magicCookie = magicCookie
    self.protocolVersions = protocolVersions
    self.startLimit = startLimit
  }

  /// Starts the plugin, calls `body` when it is well, and ends it: it is asked to, and killed if it still runs
  /// after 2 s. When this returns or throws, the plugin's process and directory are gone.
  ///
  /// - Parameters:
  ///   - onOutput: Called for what the plugin prints, possibly from several threads at once.
  ///   - body: Uses the plugin.
  /// - Returns: What `body` returns.
  /// - Throws: ``PluginHostError`` if the plugin cannot be started or used, ``PluginServerError/socket(_:)`` if
  ///   there is no place for its directory, `CancellationError`, or what `body` throws.
  public func withPlugin<Result: Sendable>(
    onOutput: @escaping @Sendable (PluginOutput) -> Void = { _ in },
    _ body: (RunningPlugin) async throws -> Result
  ) async throws -> Result {
    let directory = try TemporaryDirectory(environment: self.environment)
    defer { directory.remove() }
    let recorder = PluginOutputRecorder(handler: onOutput)
    let process: PluginProcess
    do {
      process = try await PluginProcess.start(
        self.path, self.arguments, environment: self.pluginEnvironment(directory),
        onOutput: recorder.takeOutput, onError: recorder.takeError)
    } catch {
      throw PluginHostError(
        code: .notStarted, path: self.path, reason: "it cannot be started: \(error)", output: "")
    }
    do {
      let line = try await self.protocolLine(of: process, recorder)
      return try await self.use(process, at: line, recorder, body)
    } catch {
      await process.end(within: .zero)
      guard let failure = error as? Failure else { throw error }
      throw PluginHostError(
        code: failure.code, path: self.path, reason: failure.reason, output: recorder.summary)
    }
  }

  private func pluginEnvironment(_ directory: TemporaryDirectory) -> [String: String] {
    var environment = self.environment
    environment[self.magicCookie.key] = self.magicCookie.value
    environment["PLUGIN_PROTOCOL_VERSIONS"] = self.protocolVersions.map(String.init).joined(separator: ",")
    environment["TMPDIR"] = directory.path
    // A plugin would have to speak TLS.
    environment["PLUGIN_CLIENT_CERT"] = nil
    return environment
  }

  private func protocolLine(
    of process: PluginProcess, _ recorder: PluginOutputRecorder
  ) async throws -> ProtocolLine {
    // A process that ends has no line to wait for.
    let ending = Task {
      _ = try await process.exit.value
      recorder.protocolLine.fulfil(nil)
    }
    defer { ending.cancel() }
    guard let line = try await recorder.protocolLine.value(within: self.startLimit) else {
      throw Failure(.noProtocolLine, "it did not say within \(self.startLimit) where it listens")
    }
    guard let line else {
      let status = process.exit.current ?? "unknown"
      throw Failure(.endedEarly, "it ended (\(status)) before it said where it listens")
    }
    do {
      return try ProtocolLine(parsing: line, protocolVersions: self.protocolVersions)
    } catch {
      // How it ends often explains it.
      let status = try await process.exit.value(within: .milliseconds(500))
      let ended = status.map { "; it ended (\($0))" } ?? ""
      throw Failure(
        .badProtocolLine,
        "the first line on its standard output is no protocol line: \(error.reason)\(ended)")
    }
  }

  /// Connects, checks that the plugin is well, calls the body and ends the plugin.
  private func use<Result: Sendable>(
    _ process: PluginProcess, at line: ProtocolLine, _ recorder: PluginOutputRecorder,
    _ body: (RunningPlugin) async throws -> Result
  ) async throws -> Result {
    let client = GRPCClient(transport: try LibGRPC.ClientTransport(unixSocketPath: line.socketPath))
    // Tasks of their own: the plugin is asked to end even if this task is cancelled.
    let connections = Task { try await client.runConnections() }
    let stdio = Task { await self.readStdio(client, recorder) }
    let result: Swift.Result<Result, any Error>
    do {
      try await self.checkHealth(client, process)
      result = .success(
        try await body(
          RunningPlugin(
            client: client, protocolVersion: line.protocolVersion,
            processIdentifier: process.processIdentifier)))
    } catch let error as RPCError {
      result = .failure(await self.explanation(of: error, process) ?? error)
    } catch {
      result = .failure(error)
    }
    await Task {
      // An answer is not needed: a plugin may end before it has sent it.
      var options = CallOptions.defaults
      options.timeout = Self.exitLimit
      _ = try? await WireGRPCController.Client(wrapping: client).shutdown(WireEmpty(), options: options)
    }.value
    await process.end(within: Self.exitLimit)
    stdio.cancel()
    connections.cancel()
    await stdio.value
    _ = await connections.result
    return try result.get()
  }

  private func checkHealth(
    _ client: GRPCClient<LibGRPC.ClientTransport>, _ process: PluginProcess
  ) async throws {
    var options = CallOptions.defaults
    options.timeout = Self.healthLimit
    let request = WireHealthCheckRequest.with { $0.service = HealthService.pluginServiceName }
    do {
      let answer = try await WireHealth.Client(wrapping: client).check(request, options: options)
      guard answer.status == .serving else {
        throw Failure(.unhealthy, "it says that it is not able to serve (\(answer.status))")
      }
    } catch let error as RPCError {
      try Task.checkCancellation()
      throw await self.explanation(of: error, process)
        ?? Failure(.unhealthy, "it does not say that it is well: \(error.message)")
    }
  }

  /// Some plugins print to standard output only what this stream has room for.
  private func readStdio(_ client: GRPCClient<LibGRPC.ClientTransport>, _ recorder: PluginOutputRecorder)
    async
  {
    try? await WireGRPCStdio.Client(wrapping: client).streamStdio(Google_Protobuf_Empty()) { response in
      for try await message in response.messages {
        recorder.takeStdio(message)
      }
    }
  }

  /// The error to throw instead if the call failed because the plugin has ended.
  private func explanation(
    of error: RPCError, _ process: PluginProcess
  ) async -> Failure? {
    guard error.code == .unavailable,
      // The connection is lost a moment before.
      let status = try? await process.exit.value(within: .milliseconds(500))
    else { return nil }
    return Failure(.ended, "it ended (\(status)) while it was in use: \(error.message)")
  }
}
