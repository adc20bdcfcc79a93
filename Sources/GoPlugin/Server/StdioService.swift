import GRPCCore
import SwiftProtobuf

/// go-plugin's stream of what a plugin prints. A plugin of this package logs to standard error, so nothing ever
/// comes; the host wants the stream open nevertheless.
struct StdioService: WireGRPCStdio.SimpleServiceProtocol {
  func streamStdio(
    request: Google_Protobuf_Empty, response: RPCWriter<WireStdioData>, context: ServerContext
  ) async throws {
    try await context.cancellation.cancelled
  }
}
