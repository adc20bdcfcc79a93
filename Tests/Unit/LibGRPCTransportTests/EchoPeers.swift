import Foundation
import GRPCCore
import TestHelpers

@testable import LibGRPCTransport

typealias Client = GRPCClient<LibGRPC.ClientTransport>

/// A directory of its own for a socket, removed afterwards.
func withSocketPath<R>(_ body: (String) async throws -> R) async throws -> R {
  try await withTemporaryDirectory { try await body("\($0)/s") }
}

/// A server with an echo service and a client of it; both are shut down gracefully afterwards.
func withEcho<R: Sendable>(
  _ body:
    @Sendable (_ client: Client, _ service: EchoService, _ server: GRPCServer<LibGRPC.ServerTransport>)
    async throws -> R
) async throws -> R {
  try await withSocketPath { path in
    let service = EchoService()
    let transport = try LibGRPC.ServerTransport(unixSocketPath: path)
    return try await withGRPCServer(transport: transport, services: [service]) { server in
      try await withGRPCClient(
        transport: LibGRPC.ClientTransport(unixSocketPath: path)
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
