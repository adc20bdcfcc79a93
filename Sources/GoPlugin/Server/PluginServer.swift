import AsyncPrimitives
public import Foundation
public import GRPCCore
import LibGRPCTransport
public import Logging

/// A plugin as go-plugin's hosts expect it: the handshake on standard output, the services on a unix socket, and
/// an end when the host says so (go-plugin, core protocol 1).
///
/// A lost connection ends nothing: a host that was restarted connects again. The plugin ends when the host calls
/// `GRPCController.Shutdown`, on SIGTERM, when the task of ``run(onShutdown:)`` is cancelled, or when nobody has used it
/// for a while: a host that cannot find it any more starts another one, and never ends this one.
public struct PluginServer: Sendable {
  /// How long calls may take to end once the plugin is to end. A host kills it after 2 s.
  private static let gracePeriod: Duration = .seconds(1)
  /// How long it takes after that, at most, until the plugin has ended.
  private static let abruptPeriod: Duration = .milliseconds(500)

  /// Why a plugin ends.
  enum EndReason: String {
    case hostRequest = "the host asked for it"
    case termination = "SIGTERM"
    case cancellation = "its task was cancelled"
    case disuse = "nobody uses it any more"
    case serverFailure = "the server failed"
  }

  private let magicCookie: MagicCookie
  private let protocolVersions: [Int]
  private let services: [any RegistrableRPCService]
  private let environment: [String: String]
  private let idleLimit: Duration?
  private let isInUse: @Sendable () -> Bool
  private let logger: Logger

  /// Makes a plugin that does not run yet.
  ///
  /// - Parameters:
  ///   - magicCookie: The cookie of the kind of host that this is a plugin for.
  ///   - protocolVersions: The versions of the plugin's own protocol that `services` speak.
  ///   - services: The plugin's own services; those of go-plugin are added.
  ///   - environment: The environment that the host has set up.
  ///   - idleLimit: The plugin ends when for so long there was no call, and `isInUse` said no; nil for never. A host holds
  ///     calls open for as long as it is connected.
  ///   - isInUse: Whether the plugin has something to do for a host that is away.
  ///   - logger: For what happens to the plugin itself.
  public init(
    magicCookie: MagicCookie, protocolVersions: [Int], services: [any RegistrableRPCService],
    environment: [String: String] = ProcessInfo.processInfo.environment,
    idleLimit: Duration? = nil, isInUse: @escaping @Sendable () -> Bool = { false }, logger: Logger
  ) {
    self.magicCookie = magicCookie
    self.protocolVersions = protocolVersions
    self.services = services
    self.environment = environment
    self.idleLimit = idleLimit
    self.isInUse = isInUse
    self.logger = logger
  }

  /// Runs the plugin until it is to end, at most 1.5 s longer. The process should exit then: calls and a shutdown
  /// hook that do not heed their cancellation may still be under way.
  ///
  /// It takes over the process: standard output goes to standard error after the handshake, SIGINT and SIGPIPE
  /// do nothing, and files are not made writable for others.
  ///
  /// - Parameter onShutdown: Called once when the plugin is to end, while calls are still being served, to
  ///   release what the plugin holds and so let calls that wait end. Cancelled after 1.5 s.
  /// - Throws: ``PluginServerError`` if the plugin cannot start (nothing has been served then), `RPCError` if it
  ///   cannot go on listening.
  public func run(onShutdown: @escaping @Sendable () async -> Void = {}) async throws {
    let handshake = try Handshake(
      environment: self.environment, magicCookie: self.magicCookie, protocolVersions: self.protocolVersions)
    let shutdown = Promise<EndReason>()
    let termination = ProcessSignals.handle { shutdown.fulfil(.termination) }
    defer { termination.cancel() }
    // A socket is made with the modes of the mask; nobody else may connect before its final ones are set.
    umask(umask(0o077) | 0o022)
    let output = try ProtocolOutput.takeStandardOutput()
    try await self.serve(handshake, shutdown: shutdown, announce: output.write, onShutdown: onShutdown)
  }

  /// The part of ``run(onShutdown:)`` that leaves the process alone.
  ///
  /// - Parameters:
  ///   - shutdown: Whoever fulfils it ends the plugin.
  ///   - announce: Tells the host the protocol line.
  func serve(
    _ handshake: Handshake, shutdown: Promise<EndReason>, announce: (ProtocolLine) throws -> Void,
    onShutdown: @escaping @Sendable () async -> Void
  ) async throws {
    let socket = try PluginSocket(
      directory: handshake.socketDirectory, group: handshake.socketGroup, environment: self.environment)
    defer { socket.remove() }
    let transport = try LibGRPC.ServerTransport(unixSocketPath: socket.path)
    try socket.grantAccess()
    let line = ProtocolLine(
      protocolVersion: handshake.protocolVersion, socketPath: socket.path,
      supportsMultiplexing: handshake.wantsMultiplexingField ? false : nil)
    try announce(line)
    self.logger.debug("the plugin listens", metadata: ["address": "\(socket.path)"])

    let ownServices: [any RegistrableRPCService] = [
      HealthService(), StdioService(), BrokerService(),
      ControllerService(onShutdown: { shutdown.fulfil(.hostRequest) }),
    ]
    let server = GRPCServer(transport: transport, services: ownServices + self.services)
    let serving = Task { try await server.serve() }
    let served = Promise<Void>()
    Task {
      _ = await serving.result
      served.fulfil(())
      shutdown.fulfil(.serverFailure)
    }

    let idling = self.idleLimit.map { limit in
      Task {
        try await self.waitForDisuse(of: transport, limit)
        shutdown.fulfil(.disuse)
      }
    }
    defer { idling?.cancel() }

    let reason = (try? await shutdown.value) ?? .cancellation
    self.logger.debug("the plugin ends", metadata: ["reason": "\(reason.rawValue)"])
    // In a task of its own: the end must come to its end even if this task is cancelled.
    await Task {
      let hook = Task { await onShutdown() }
      let hooked = Promise<Void>()
      Task {
        await hook.value
        hooked.fulfil(())
      }
      let deadline = ContinuousClock.now + Self.gracePeriod + Self.abruptPeriod
      server.beginGracefulShutdown()
      if await !self.isFulfilled(served, within: Self.gracePeriod) {
        self.logger.debug("calls are still open; they are cancelled")
        serving.cancel()
        if await !self.isFulfilled(served, within: Self.abruptPeriod) {
          self.logger.warning("calls do not heed their cancellation; the plugin ends without them")
        }
      }
      if await !self.isFulfilled(hooked, within: ContinuousClock.now.duration(to: deadline)) {
        self.logger.warning("the shutdown takes too long; the plugin ends without the rest of it")
        hook.cancel()
      }
    }.value
    if reason == .serverFailure { try await serving.value }
  }

  /// Waits until nobody has used the plugin for a while.
  private func waitForDisuse(of transport: LibGRPC.ServerTransport, _ limit: Duration) async throws {
    var idleSince = ContinuousClock.now
    var callCount: UInt64 = 0
    while ContinuousClock.now - idleSince < limit {
      try await Task.sleep(for: limit / 20)
      let calls = transport.callCounts
      if calls.open > 0 || calls.all != callCount || self.isInUse() { idleSince = .now }
      callCount = calls.all
    }
  }

  private func isFulfilled(_ promise: Promise<Void>, within limit: Duration) async -> Bool {
    (try? await promise.value(within: limit)) != nil
  }
}
