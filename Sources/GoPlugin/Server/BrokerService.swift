import GRPCCore

/// go-plugin's exchange about further servers. A plugin of this package has none, so what the host tells is
/// read and dropped; the host wants the stream open nevertheless.
struct BrokerService: WireGRPCBroker.SimpleServiceProtocol {
  func startStream(
    request: RPCAsyncSequence<WireConnInfo, any Error>, response: RPCWriter<WireConnInfo>,
    context: ServerContext
  ) async throws {
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        // The stream ends however it may; there is nobody to tell.
        do { for try await _ in request {} } catch {}
      }
      group.addTask { try? await context.cancellation.cancelled }
      await group.next()
      group.cancelAll()
    }
  }
}
