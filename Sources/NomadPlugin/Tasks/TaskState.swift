/// Where a task is in its life.
public enum TaskState: Sendable, Hashable, CaseIterable {
  /// It cannot be told.
  case unknown
  /// It has been started and has not ended.
  case running
  /// It has ended.
  case exited
}

extension TaskState {
  init(_ wire: WireTaskState) {
    switch wire {
    case .unknown, .UNRECOGNIZED: self = .unknown
    case .running: self = .running
    case .exited: self = .exited
    }
  }

  var wire: WireTaskState {
    switch self {
    case .unknown: .unknown
    case .running: .running
    case .exited: .exited
    }
  }
}
