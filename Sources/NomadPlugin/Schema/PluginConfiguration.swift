import SwiftProtobuf
import FoundationEssentials

/// The agent's configuration of the plugin, with what the agent tells of itself.
public struct PluginConfiguration: Sendable, Hashable {
  /// The `config` block as MessagePack: a map of attribute names, nil for what is not set.
  public var messagePack: [UInt8]

  /// The version of Nomad's plugin API that the agent chose, such as `0.1.0`.
  public var apiVersion: String

  /// The agent; nil if it only asks whether the configuration is valid.
  public var agent: AgentConfiguration?

  /// Makes a configuration.
  public init(messagePack: [UInt8], apiVersion: String = "0.1.0", agent: AgentConfiguration?) {
    self.messagePack = messagePack
    self.apiVersion = apiVersion
    self.agent = agent
  }

  /// Whether the agent only asks whether the configuration is valid. Nomad starts the plugin once for that, ends
  /// it, and starts it again to use it.
  public var isValidationOnly: Bool { agent == nil }

  /// Decodes the `config` block.
  ///
  /// - Throws: ``ConfigurationError`` that names the attribute that is missing or of the wrong type.
  public func decode<T: Decodable>(_ type: T.Type) throws(ConfigurationError) -> T {
    try decodeBlock(type, from: messagePack, named: "plugin configuration")
  }
}

extension PluginConfiguration {
  init(_ wire: WireSetConfigRequest) {
    self.init(
      messagePack: [UInt8](wire.msgpackConfig),
      apiVersion: wire.pluginApiVersion,
      agent: wire.hasNomadConfig ? AgentConfiguration(wire.nomadConfig) : nil)
  }

  var wire: WireSetConfigRequest {
    .with {
      $0.msgpackConfig = Data(messagePack)
      $0.pluginApiVersion = apiVersion
      if let agent { $0.nomadConfig = agent.wire }
    }
  }
}
