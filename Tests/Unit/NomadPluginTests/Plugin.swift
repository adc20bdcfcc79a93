import GRPCCore
import GRPCInProcessTransport
import Synchronization

@testable import NomadPlugin

typealias PluginConnection = GRPCClient<InProcessTransport.Client>

/// Serves a driver in this process for as long as the body runs, and connects to it.
func withPlugin<Answer: Sendable>(
  _ driver: any TaskDriver, calls: CallTap = CallTap(),
  _ body: @Sendable (PluginConnection) async throws -> Answer
) async throws -> Answer {
  let transport = InProcessTransport()
  let services: [any RegistrableRPCService] = [BasePluginService(driver), DriverService(driver)]
  return try await withGRPCServer(transport: transport.server, services: services, interceptors: [calls]) {
    _ in
    try await withGRPCClient(transport: transport.client) { try await body($0) }
  }
}

/// The same, with a client in Swift types.
func withPluginClient<Answer: Sendable>(
  _ driver: any TaskDriver, calls: CallTap = CallTap(),
  _ body: @Sendable (NomadPluginClient<InProcessTransport.Client>) async throws -> Answer
) async throws -> Answer {
  try await withPlugin(driver, calls: calls) { try await body(NomadPluginClient($0)) }
}

/// Cancels calls on the server's side, as a transport does whose peer went away: the one in this process does not.
final class CallTap: ServerInterceptor {
  private let handles = Mutex<[ServerContext.RPCCancellationHandle]>([])

  func intercept<Input: Sendable, Output: Sendable>(
    request: StreamingServerRequest<Input>, context: ServerContext,
    next:
      @Sendable (StreamingServerRequest<Input>, ServerContext) async throws -> StreamingServerResponse<Output>
  ) async throws -> StreamingServerResponse<Output> {
    handles.withLock { $0.append(context.cancellation) }
    return try await next(request, context)
  }

  /// Cancels all calls that have begun.
  func cancelAll() {
    for handle in handles.withLock({ $0 }) { handle.cancel() }
  }
}

/// Waits until the task is cancelled.
func untilCancelled() async {
  let (never, end) = AsyncStream<Never>.makeStream()
  for await _ in never {}
  end.finish()
}
