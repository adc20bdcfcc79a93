import SwiftProtobuf
import GRPCCore

/// gRPC's health service: the server and go-plugin's service `plugin` are always able to serve.
struct HealthService: WireHealth.SimpleServiceProtocol {
  /// The name by which hosts ask (go-plugin, `grpc_server.go`, `GRPCServiceName`).
  static let pluginServiceName = "plugin"

  private static let knownServices: Set<String> = ["", pluginServiceName]

  func check(
    request: WireHealthCheckRequest, context: ServerContext
  ) async throws -> WireHealthCheckResponse {
    guard Self.knownServices.contains(request.service) else {
      throw RPCError(code: .notFound, message: "unknown service")
    }
    return .with { $0.status = .serving }
  }

  func watch(
    request: WireHealthCheckRequest, response: RPCWriter<WireHealthCheckResponse>, context: ServerContext
  ) async throws {
    let isKnown = Self.knownServices.contains(request.service)
    try await response.write(.with { $0.status = isKnown ? .serving : .serviceUnknown })
    try await context.cancellation.cancelled
  }
}
