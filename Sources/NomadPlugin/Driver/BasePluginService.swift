import SwiftProtobuf
public import GRPCCore

/// The service that every Nomad plugin has, `hashicorp.nomad.plugins.base.proto.BasePlugin`, for a task driver.
public struct BasePluginService: RegistrableRPCService {
  private let handlers: Handlers

  /// Makes the service for a driver.
  public init(_ driver: any TaskDriver) {
    handlers = Handlers(driver: driver)
  }

  /// Adds the service's methods to a server's router.
  public func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {
    handlers.registerMethods(with: &router)
  }
}

private struct Handlers: WireBasePlugin.SimpleServiceProtocol {
  let driver: any TaskDriver

  func pluginInfo(
    request: WirePluginInfoRequest, context: ServerContext
  ) async throws -> WirePluginInfoResponse {
    driver.info.wire
  }

  func configSchema(
    request: WireConfigSchemaRequest, context: ServerContext
  ) async throws -> WireConfigSchemaResponse {
    .with { $0.spec = driver.configurationSchema.wire }
  }

  func setConfig(request: WireSetConfigRequest, context: ServerContext) async throws -> WireSetConfigResponse
  {
    try await serve(context) {
      try await driver.configure(PluginConfiguration(request))
      return WireSetConfigResponse()
    }
  }
}
