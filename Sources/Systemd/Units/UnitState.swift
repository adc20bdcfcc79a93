/// Whether systemd has read a unit's definition (`LoadState`).
public enum LoadState: Sendable, Hashable {
  case stub, loaded, notFound, badSetting, error, merged, masked
  /// A state that this version does not know.
  case unknown(String)

  /// Takes systemd's word for a state.
  public init(_ text: String) {
    self =
      switch text {
      case "stub": .stub
      case "loaded": .loaded
      case "not-found": .notFound
      case "bad-setting": .badSetting
      case "error": .error
      case "merged": .merged
      case "masked": .masked
      default: .unknown(text)
      }
  }
}

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
}

extension LoadState: CustomStringConvertible {
  /// systemd's word for the state.
  public var description: String {
    switch self {
    case .stub: "stub"
    case .loaded: "loaded"
    case .notFound: "not-found"
    case .badSetting: "bad-setting"
    case .error: "error"
    case .merged: "merged"
    case .masked: "masked"
    case .unknown(let text): text
    }
  }
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
