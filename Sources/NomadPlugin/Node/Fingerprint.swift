import SwiftProtobuf

/// The state of a driver, and what it adds to the node's attributes.
public struct Fingerprint: Sendable, Hashable {
  /// Whether tasks can be started.
  public enum Health: Sendable, Hashable, CaseIterable {
    /// What the driver needs is not on this node.
    case undetected
    /// It is there, and does not work.
    case unhealthy
    /// Tasks can be started.
    case healthy
  }

  /// Whether tasks can be started.
  public var health: Health

  /// Why, for the operator: one line.
  public var healthDescription: String

  /// Attributes of the node by name, customarily `driver.<name>` and names that start with that and a dot.
  public var attributes: [String: NodeAttribute]

  /// Makes a report.
  public init(health: Health, healthDescription: String, attributes: [String: NodeAttribute] = [:]) {
    self.health = health
    self.healthDescription = healthDescription
    self.attributes = attributes
  }
}

extension Fingerprint {
  /// Reads a report. As in Nomad's client, a driver that could not be examined is not healthy.
  init(_ wire: WireFingerprintResponse) {
    self.init(
      health: wire.err.isEmpty ? Health(wire.health) : .unhealthy,
      healthDescription: wire.err.isEmpty ? wire.healthDescription : wire.err,
      attributes: wire.attributes.compactMapValues { NodeAttribute($0) })
  }

  var wire: WireFingerprintResponse {
    .with {
      $0.health = health.wire
      $0.healthDescription = healthDescription
      $0.attributes = attributes.mapValues(\.wire)
    }
  }
}

extension Fingerprint.Health {
  init(_ wire: WireFingerprintResponse.HealthState) {
    switch wire {
    case .undetected, .UNRECOGNIZED: self = .undetected
    case .unhealthy: self = .unhealthy
    case .healthy: self = .healthy
    }
  }

  var wire: WireFingerprintResponse.HealthState {
    switch self {
    case .undetected: .undetected
    case .unhealthy: .unhealthy
    case .healthy: .healthy
    }
  }
}
