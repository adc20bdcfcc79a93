import SwiftProtobuf

/// The network namespace made for a task.
public struct NetworkIsolation: Sendable, Hashable {
  /// The name and address that the task's hosts file is to have for the task itself.
  public struct HostsEntry: Sendable, Hashable {
    /// The task's host name.
    public var hostname: String

    /// The task's IP address.
    public var address: String

    /// Makes an entry.
    public init(hostname: String, address: String) {
      self.hostname = hostname
      self.address = address
    }
  }

  /// Whose network it is.
  public var mode: NetworkIsolationMode

  /// The path of the network namespace.
  public var path: String

  /// Labels, for the driver that made the network.
  public var labels: [String: String]

  /// The entry for the task's hosts file, if it is to have one.
  public var hostsEntry: HostsEntry?

  /// Describes a network namespace.
  public init(
    mode: NetworkIsolationMode, path: String = "", labels: [String: String] = [:],
    hostsEntry: HostsEntry? = nil
  ) {
    self.mode = mode
    self.path = path
    self.labels = labels
    self.hostsEntry = hostsEntry
  }
}

extension NetworkIsolation {
  init(_ wire: WireNetworkIsolationSpec) {
    self.init(mode: NetworkIsolationMode(wire.mode), path: wire.path, labels: wire.labels)
    if wire.hasHostsConfig {
      hostsEntry = HostsEntry(hostname: wire.hostsConfig.hostname, address: wire.hostsConfig.address)
    }
  }

  var wire: WireNetworkIsolationSpec {
    .with {
      $0.mode = mode.wire
      $0.path = path
      $0.labels = labels
      if let hostsEntry {
        $0.hostsConfig.hostname = hostsEntry.hostname
        $0.hostsConfig.address = hostsEntry.address
      }
    }
  }
}
