import SwiftProtobuf

/// What a plugin is, as Nomad's plugin loader asks for it.
public struct PluginInfo: Sendable, Hashable {
  /// The name jobs use: `driver = "<name>"`.
  public var name: String

  /// The plugin's own version, a semantic version with or without a leading `v`.
  public var version: String

  /// The versions of Nomad's plugin API that the plugin speaks. Nomad has only `0.1.0`.
  public var apiVersions: [String]

  /// Describes a plugin.
  public init(name: String, version: String, apiVersions: [String] = ["0.1.0"]) {
    self.name = name
    self.version = version
    self.apiVersions = apiVersions
  }
}

extension PluginInfo {
  init(_ wire: WirePluginInfoResponse) {
    self.init(name: wire.name, version: wire.pluginVersion, apiVersions: wire.pluginApiVersions)
  }

  var wire: WirePluginInfoResponse {
    .with {
      $0.type = .driver
      $0.name = name
      $0.pluginVersion = version
      $0.pluginApiVersions = apiVersions
    }
  }
}
