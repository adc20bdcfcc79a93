import Glibc

/// A point in time by the wall clock, in microseconds, as systemd keeps it.
public struct RealtimeTimestamp: Sendable, Hashable {
  /// Microseconds since 1970-01-01 00:00:00 UTC.
  public var microseconds: UInt64

  /// A point in time by its microseconds since 1970-01-01 00:00:00 UTC.
  public init(microseconds: UInt64) {
    self.microseconds = microseconds
  }

  /// Reads what `systemctl show --timestamp=us+utc` prints, `Sun 2026-11-22 17:11:40.452823 UTC`.
  ///
  /// The fraction may be missing or have fewer digits. Anything else, such as an empty text or `n/a`, gives
  /// nil.
  public init?(_ text: String) {
    let words = text.split(separator: " ", omittingEmptySubsequences: false)
    guard words.count == 4, words[0].utf8.count == 3, words[3] == "UTC" else { return nil }
    let date = words[1].split(separator: "-", omittingEmptySubsequences: false)
    let time = words[2].split(separator: ":", omittingEmptySubsequences: false)
    guard date.count == 3, time.count == 3 else { return nil }
    let seconds = time[2].split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    guard let year = Self.number(date[0], digits: 4...4), year >= 1970,
      let month = Self.number(date[1], digits: 2...2), let day = Self.number(date[2], digits: 2...2),
      let hour = Self.number(time[0], digits: 2...2), let minute = Self.number(time[1], digits: 2...2),
      let second = Self.number(seconds[0], digits: 2...2)
    else { return nil }
    var fraction: UInt64 = 0
    if seconds.count == 2 {
      guard let value = Self.number(seconds[1], digits: 1...6) else { return nil }
      fraction = (seconds[1].utf8.count..<6).reduce(UInt64(value)) { value, _ in value * 10 }
    }
    var fields = tm()
    fields.tm_year = year - 1900
    fields.tm_mon = month - 1
    fields.tm_mday = day
    fields.tm_hour = hour
    fields.tm_min = minute
    fields.tm_sec = second
    let whole = timegm(&fields)
    // timegm(3) turns a date that does not exist, such as February 30, into one that does.
    guard whole >= 0, fields.tm_year == year - 1900, fields.tm_mon == month - 1, fields.tm_mday == day,
      fields.tm_hour == hour, fields.tm_min == minute, fields.tm_sec == second
    else { return nil }
    self.microseconds = UInt64(whole) * 1_000_000 + fraction
  }

  private static func number(_ text: Substring, digits: ClosedRange<Int>) -> Int32? {
    guard digits.contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
      return nil
    }
    return Int32(text)
  }
}

extension RealtimeTimestamp: CustomStringConvertible {
  /// The time in UTC by ISO 8601, with microseconds: `2026-11-22T17:11:40.452823Z`.
  public var description: String {
    func digits(_ value: Int, _ count: Int) -> String {
      let text = String(value)
      return String(repeating: "0", count: max(0, count - text.utf8.count)) + text
    }
    let (seconds, fraction) = self.microseconds.quotientAndRemainder(dividingBy: 1_000_000)
    var time = time_t(seconds)
    var fields = tm()
    gmtime_r(&time, &fields)
    let date = [
      digits(Int(fields.tm_year) + 1900, 4), digits(Int(fields.tm_mon) + 1, 2),
      digits(Int(fields.tm_mday), 2),
    ]
    let clock = [fields.tm_hour, fields.tm_min, fields.tm_sec].map { digits(Int($0), 2) }
    return "\(date.joined(separator: "-"))T\(clock.joined(separator: ":")).\(digits(Int(fraction), 6))Z"
  }
}

extension RealtimeTimestamp: Comparable {
  /// Whether the first point in time is earlier.
  public static func < (first: Self, second: Self) -> Bool { first.microseconds < second.microseconds }
}
