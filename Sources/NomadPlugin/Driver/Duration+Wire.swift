import SwiftProtobuf

extension Google_Protobuf_Duration {
  /// The longest duration that is passed on: a hundred years, so that it can be added to any clock's time.
  private static let longest: Int64 = 100 * 365 * 86_400

  /// Makes a duration, with nanoseconds, of at most a hundred years in either direction.
  init(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    guard seconds.magnitude < UInt64(Self.longest) else {
      self.init(seconds: seconds < 0 ? -Self.longest : Self.longest, nanos: 0)
      return
    }
    self.init(seconds: seconds, nanos: Int32(attoseconds / 1_000_000_000))
  }

  /// The duration: not negative, and at most a hundred years.
  var nonnegative: Duration {
    let duration: Duration =
      .seconds(min(max(seconds, -Self.longest), Self.longest)) + .nanoseconds(Int64(nanos))
    return min(max(duration, .zero), .seconds(Self.longest))
  }
}
