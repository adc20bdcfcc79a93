import GRPCCore

/// go-plugin's way of ending a plugin.
struct ControllerService: WireGRPCController.SimpleServiceProtocol {
  let onShutdown: @Sendable () -> Void

  func shutdown(request: WireEmpty, context: ServerContext) async throws -> WireEmpty {
    self.onShutdown()
    return WireEmpty()
  }
}
