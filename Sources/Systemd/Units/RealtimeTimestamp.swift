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
  /// The fraction may be missing or have fewer digits. Anything else, an empty text and `n/a` give `nil`.
  public init?(_ text: String) {
    let words = text.split(separator: " ", omittingEmptySubsequences: false)
    guard words.count == 4, words[0].utf8.count == 3, words[3] == "UTC" else { return nil }
    let date = words[1].split(separator: "-", omittingEmptySubsequences: false)
    let time = words[2].split(separator: ":", omittingEmptySubsequences: false)
    guard date.count == 3, time.count == 3 else { return nil }
    let seconds = time[2].split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    guard let year = Self.digits(date[0], 4...4), year >= 1970,
      let month = Self.digits(date[1], 2...2), (1...12).contains(month),
      let day = Self.digits(date[2], 2...2), (1...Self.days(inMonth: month, of: year)).contains(day),
      let hour = Self.digits(time[0], 2...2), hour < 24,
      let minute = Self.digits(time[1], 2...2), minute < 60,
      let second = Self.digits(seconds[0], 2...2), second < 60
    else { return nil }
    var fraction: UInt64 = 0
    if seconds.count == 2 {
      guard let value = Self.digits(seconds[1], 1...6) else { return nil }
      fraction = (seconds[1].utf8.count..<6).reduce(value) { value, _ in value * 10 }
    }
    let days =
      Self.days(beforeYear: year) + (1..<month).reduce(0) { $0 + Self.days(inMonth: $1, of: year) } + day - 1
    self.microseconds = (((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000 + fraction
  }

  private static func digits(_ text: Substring, _ count: ClosedRange<Int>) -> UInt64? {
    guard count.contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
      return nil
    }
    return UInt64(text)
  }

  private static func isLeap(_ year: UInt64) -> Bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
  }

  private static func days(inMonth month: UInt64, of year: UInt64) -> UInt64 {
    switch month {
    case 2: self.isLeap(year) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  /// The days from 1970-01-01 to the first of January of a year.
  private static func days(beforeYear year: UInt64) -> UInt64 {
    func leapYears(before year: UInt64) -> UInt64 { (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400 }
    return (year - 1970) * 365 + leapYears(before: year) - leapYears(before: 1970)
  }
}

extension RealtimeTimestamp: CustomStringConvertible {
  /// The time in UTC by ISO 8601, with microseconds: `2026-11-22T17:11:40.452823Z`.
  public var description: String {
    func digits(_ value: UInt64, _ count: Int) -> String {
      let text = String(value)
      return String(repeating: "0", count: max(0, count - text.utf8.count)) + text
    }
    let (seconds, fraction) = self.microseconds.quotientAndRemainder(dividingBy: 1_000_000)
    var (days, second) = seconds.quotientAndRemainder(dividingBy: 86400)
    // A year has at least 365 days: this is not too early, and off by few.
    var year = 1970 + days / 366
    while Self.days(beforeYear: year + 1) <= days { year += 1 }
    days -= Self.days(beforeYear: year)
    var month: UInt64 = 1
    while days >= Self.days(inMonth: month, of: year) {
      days -= Self.days(inMonth: month, of: year)
      month += 1
    }
    let date = "\(digits(year, 4))-\(digits(month, 2))-\(digits(days + 1, 2))"
    let minute = second / 60 % 60
    let hour = second / 3600
    second %= 60
    return "\(date)T\(digits(hour, 2)):\(digits(minute, 2)):\(digits(second, 2)).\(digits(fraction, 6))Z"
  }
}

extension RealtimeTimestamp: Comparable {
  /// Whether the first point in time is earlier.
  public static func < (first: Self, second: Self) -> Bool { first.microseconds < second.microseconds }
}
