/// Whose network a task sees.
public enum NetworkIsolationMode: Sendable, Hashable, CaseIterable {
  /// The host's.
  case host
  /// One that the tasks of a group share.
  case group
  /// Its own.
  case task
  /// None.
  case none
}

extension NetworkIsolationMode {
  init(_ wire: WireNetworkIsolationSpec.NetworkIsolationMode) {
    switch wire {
    case .host, .UNRECOGNIZED: self = .host
    case .group: self = .group
    case .task: self = .task
    case .none: self = .none
    }
  }

  var wire: WireNetworkIsolationSpec.NetworkIsolationMode {
    switch self {
    case .host: .host
    case .group: .group
    case .task: .task
    case .none: .none
    }
  }
}
