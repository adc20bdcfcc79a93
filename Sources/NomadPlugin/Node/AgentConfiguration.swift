import SwiftProtobuf

/// What the Nomad agent tells a driver of itself.
public struct AgentConfiguration: Sendable, Hashable {
  /// The lowest of the local ports that the agent leaves to plugins.
  public var minimumPort: UInt32

  /// The highest of them.
  public var maximumPort: UInt32

  /// The node's processors, where the agent knows them.
  public var topology: Topology?

  /// Describes an agent.
  public init(minimumPort: UInt32 = 0, maximumPort: UInt32 = 0, topology: Topology? = nil) {
    self.minimumPort = minimumPort
    self.maximumPort = maximumPort
    self.topology = topology
  }
}

extension AgentConfiguration {
  init(_ wire: WireNomadConfig) {
    self.init(
      minimumPort: wire.driver.clientMinPort,
      maximumPort: wire.driver.clientMaxPort,
      topology: wire.driver.hasTopology ? Topology(wire.driver.topology) : nil)
  }

  var wire: WireNomadConfig {
    .with {
      $0.driver.clientMinPort = minimumPort
      $0.driver.clientMaxPort = maximumPort
      if let topology { $0.driver.topology = topology.wire }
    }
  }
}
