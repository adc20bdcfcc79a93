import Foundation
import GRPCCore
import LibGRPCTransport

typealias Client = GRPCClient<LibGRPC.ClientTransport>

/// A folder of its own for a socket, removed afterwards.
func withSocketPath<R>(_ body: (String) async throws -> R) async throws -> R {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
    "g-\(UUID().uuidString.prefix(8))")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  return try await body(folder.appendingPathComponent("s").path)
}

/// A server with an echo service and a client of it; both are shut down gracefully afterwards.
func withEcho<R: Sendable>(
  server security: LibGRPC.ServerSecurity = .plaintext,
  client clientSecurity: LibGRPC.ClientSecurity = .plaintext,
  _ body:
    @Sendable (_ client: Client, _ service: EchoService, _ server: GRPCServer<LibGRPC.ServerTransport>)
    async throws -> R
) async throws -> R {
  try await withSocketPath { path in
    let service = EchoService()
    let transport = try LibGRPC.ServerTransport(unixSocketPath: path, security: security)
    return try await withGRPCServer(transport: transport, services: [service]) { server in
      try await withGRPCClient(
        transport: LibGRPC.ClientTransport(unixSocketPath: path, security: clientSecurity)
      ) {
        try await body($0, service, server)
      }
    }
  }
}

extension Client {
  /// A call of one message each way. Gives the answer, and the initial and trailing metadata.
  func call(
    _ method: String, _ message: [UInt8] = [], metadata: Metadata = [:], options: CallOptions = .defaults
  ) async throws -> (message: [UInt8], initial: Metadata, trailing: Metadata) {
    try await self.unary(
      request: ClientRequest(message: message, metadata: metadata), descriptor: EchoService.method(method),
      serializer: Bytes(), deserializer: Bytes(), options: options
    ) { (try $0.message, $0.metadata, $0.trailingMetadata) }
  }

  func stream<R: Sendable>(
    _ method: String, options: CallOptions = .defaults,
    _ producer: @escaping @Sendable (RPCWriter<[UInt8]>) async throws -> Void,
    _ consumer: @escaping @Sendable (StreamingClientResponse<[UInt8]>) async throws -> R
  ) async throws -> R {
    try await self.bidirectionalStreaming(
      request: StreamingClientRequest(producer: producer), descriptor: EchoService.method(method),
      serializer: Bytes(), deserializer: Bytes(), options: options, onResponse: consumer)
  }
}

/// Waits until a condition holds.
func eventually(
  within limit: Duration = .seconds(30), _ condition: @Sendable () async throws -> Bool
) async throws {
  let deadline = ContinuousClock.now + limit
  while try await !condition() {
    guard ContinuousClock.now < deadline else { throw ConditionNeverHeld() }
    try await Task.sleep(for: .milliseconds(2))
  }
}

struct ConditionNeverHeld: Error {}
