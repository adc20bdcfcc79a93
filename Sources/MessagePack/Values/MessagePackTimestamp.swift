/// A moment in time, counted from 1970-01-01 00:00:00 UTC without leap seconds: the specification's timestamp
/// extension.
public struct MessagePackTimestamp: Sendable, Hashable {
  /// The extension type of timestamps.
  static let extensionType: Int8 = -1

  /// Whole seconds since the epoch, rounded down, thus negative before 1970.
  public let seconds: Int64

  /// Nanoseconds to add to the seconds, 0 through 999 999 999.
  public let nanoseconds: UInt32

  /// Makes a timestamp, or nil if there are more than 999 999 999 nanoseconds.
  public init?(seconds: Int64, nanoseconds: UInt32 = 0) {
    guard nanoseconds <= 999_999_999 else { return nil }
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }
}
