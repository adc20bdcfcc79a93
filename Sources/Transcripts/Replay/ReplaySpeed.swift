/// How fast a replay goes.
public enum ReplaySpeed: Sendable, Hashable {
  /// This many times as fast as it was recorded.
  case times(Double)
  /// Without the waits of the recording.
  case asFastAsPossible

  /// The factor; nil without waits.
  var factor: Double? {
    if case .times(let factor) = self { factor } else { nil }
  }
}
