/// Whether a unit is active, in the terms common to all types of units (`ActiveState`).
public enum ActiveState: Sendable, Hashable {
  case active, reloading, inactive, failed, activating, deactivating, maintenance, refreshing
  /// A state that this version does not know.
  case unknown(String)

  /// Takes systemd's word for a state.
  public init(_ text: String) {
    self =
      switch text {
      case "active": .active
      case "reloading": .reloading
      case "inactive": .inactive
      case "failed": .failed
      case "activating": .activating
      case "deactivating": .deactivating
      case "maintenance": .maintenance
      case "refreshing": .refreshing
      default: .unknown(text)
      }
  }

  /// Whether the unit is inactive or failed, so neither up nor on its way to another state.
  public var isDown: Bool { self == .inactive || self == .failed }
}

extension ActiveState: CustomStringConvertible {
  /// systemd's word for the state.
  public var description: String {
    switch self {
    case .active: "active"
    case .reloading: "reloading"
    case .inactive: "inactive"
    case .failed: "failed"
    case .activating: "activating"
    case .deactivating: "deactivating"
    case .maintenance: "maintenance"
    case .refreshing: "refreshing"
    case .unknown(let text): text
    }
  }
}
