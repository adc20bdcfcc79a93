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
