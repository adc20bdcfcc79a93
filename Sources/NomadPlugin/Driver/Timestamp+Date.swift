import FoundationEssentials
import SwiftProtobuf

extension Google_Protobuf_Timestamp {
  /// The first second of year 1, the earliest that a timestamp can hold. It is Go's zero time, which Nomad takes
  /// for a time that is not set.
  private static let earliest: Int64 = -62_135_596_800

  /// The last second of year 9999, the latest that a timestamp can hold.
  private static let latest: Int64 = 253_402_300_799

  /// Makes a timestamp: Go's zero time for nil, the nearest valid one for a date outside years 1 to 9999.
  init(_ date: Date?) {
    guard let seconds = date?.timeIntervalSince1970, seconds > Double(Self.earliest) else {
      self.init(seconds: Self.earliest, nanos: 0)
      return
    }
    guard seconds <= Double(Self.latest) else {
      self.init(seconds: Self.latest, nanos: 0)
      return
    }
    let whole = seconds.rounded(.down)
    let nanos = min(Int32((seconds - whole) * 1_000_000_000), 999_999_999)
    self.init(seconds: Int64(whole), nanos: nanos)
  }

  /// The date, or nil for Go's zero time and for a timestamp that is not valid.
  var date: Date? {
    guard (Self.earliest + 1...Self.latest).contains(seconds), (0...999_999_999).contains(nanos) else {
      return nil
    }
    return Date(timeIntervalSince1970: Double(seconds) + Double(nanos) / 1_000_000_000)
  }
}
