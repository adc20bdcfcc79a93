import SwiftProtobuf

/// What a driver can do.
public struct DriverCapabilities: Sendable, Hashable {
  /// What of the file system a task sees.
  public enum FilesystemIsolation: Sendable, Hashable, CaseIterable {
    /// The host's.
    case none
    /// A directory that Nomad fills from the host.
    case chroot
    /// An image.
    case image
    /// The host's, restricted to what is allowed explicitly.
    case unveil
  }

  /// Whether ``TaskDriver/signalTask(_:signal:)`` is offered.
  public var sendSignals: Bool

  /// Whether ``TaskDriver/execTask(_:command:timeout:)`` and
  /// ``TaskDriver/execTaskStreaming(_:input:_:)`` are offered.
  public var exec: Bool

  /// What of the file system a task sees.
  public var filesystemIsolation: FilesystemIsolation

  /// The networks a task can be given.
  public var networkIsolationModes: [NetworkIsolationMode]

  /// Whether the driver, not the client, makes the tasks' networks. This module's service answers those calls
  /// with UNIMPLEMENTED.
  public var mustCreateNetwork: Bool

  /// Whether volumes and devices can be mounted into a task.
  public var supportsMounts: Bool

  /// Whether the client is to leave out its log collector.
  public var disableLogCollection: Bool

  /// Whether tasks can run as a user ID that the client made up.
  public var dynamicWorkloadUsers: Bool

  /// Describes a driver.
  public init(
    sendSignals: Bool = false, exec: Bool = false, filesystemIsolation: FilesystemIsolation = .none,
    networkIsolationModes: [NetworkIsolationMode] = [.host], mustCreateNetwork: Bool = false,
    supportsMounts: Bool = false, disableLogCollection: Bool = false, dynamicWorkloadUsers: Bool = false
  ) {
    self.sendSignals = sendSignals
    self.exec = exec
    self.filesystemIsolation = filesystemIsolation
    self.networkIsolationModes = networkIsolationModes
    self.mustCreateNetwork = mustCreateNetwork
    self.supportsMounts = supportsMounts
    self.disableLogCollection = disableLogCollection
    self.dynamicWorkloadUsers = dynamicWorkloadUsers
  }
}

extension DriverCapabilities {
  init(_ wire: WireDriverCapabilities) {
    self.init(
      sendSignals: wire.sendSignals,
      exec: wire.exec,
      filesystemIsolation: FilesystemIsolation(wire.fsIsolation),
      networkIsolationModes: wire.networkIsolationModes.map { NetworkIsolationMode($0) },
      mustCreateNetwork: wire.mustCreateNetwork,
      supportsMounts: wire.mountConfigs != .noMounts,
      disableLogCollection: wire.disableLogCollection,
      dynamicWorkloadUsers: wire.dynamicWorkloadUsers)
  }

  var wire: WireDriverCapabilities {
    .with {
      $0.sendSignals = sendSignals
      $0.exec = exec
      $0.fsIsolation = filesystemIsolation.wire
      $0.networkIsolationModes = networkIsolationModes.map(\.wire)
      $0.mustCreateNetwork = mustCreateNetwork
      $0.mountConfigs = supportsMounts ? .anyMounts : .noMounts
      $0.disableLogCollection = disableLogCollection
      $0.dynamicWorkloadUsers = dynamicWorkloadUsers
    }
  }
}

extension DriverCapabilities.FilesystemIsolation {
  init(_ wire: WireDriverCapabilities.FSIsolation) {
    switch wire {
    case .none, .UNRECOGNIZED: self = .none
    case .chroot: self = .chroot
    case .image: self = .image
    case .unveil: self = .unveil
    }
  }

  var wire: WireDriverCapabilities.FSIsolation {
    switch self {
    case .none: .none
    case .chroot: .chroot
    case .image: .image
    case .unveil: .unveil
    }
  }
}
