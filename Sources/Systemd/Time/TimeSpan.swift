/// A span of time as systemd prints it, such as `1min 30s` or `infinity` (`systemd.time(7)`).
public enum TimeSpan: Sendable, Hashable {
  case finite(Duration)
  case infinity

  /// Reads a span: numbers, with or without a decimal fraction, each followed by its unit; or `infinity` or
  /// `0`.
  ///
  /// A month is 30.44 days (2,629,800 s), a year 365.25 days, as for systemd. A span that systemd's 64 bits
  /// of microseconds cannot hold, and anything else, gives nil.
  public init?(_ text: String) {
    switch text {
    case "infinity":
      self = .infinity
    case "0":
      self = .finite(.zero)
    default:
      var total: UInt64 = 0
      for word in text.split(separator: " ", omittingEmptySubsequences: false) {
        guard let microseconds = Self.microseconds(word) else { return nil }
        let (sum, isTooLarge) = total.addingReportingOverflow(microseconds)
        if isTooLarge { return nil }
        total = sum
      }
      let (seconds, rest) = total.quotientAndRemainder(dividingBy: 1_000_000)
      self = .finite(.seconds(Int64(seconds)) + .microseconds(Int64(rest)))
    }
  }

  private static func microseconds(_ word: Substring) -> UInt64? {
    let number = word.prefix { $0 == "." || ("0"..."9").contains($0) }
    let parts = number.split(separator: ".", omittingEmptySubsequences: false)
    guard let unit = self.unit(word[number.endIndex...]), parts.count <= 2, let whole = UInt64(parts[0])
    else {
      return nil
    }
    let (product, isTooLarge) = whole.multipliedReportingOverflow(by: unit)
    if isTooLarge { return nil }
    guard parts.count == 2 else { return product }
    // At most nine digits: with more, neither a product below nor a microsecond could be told apart.
    guard (1...9).contains(parts[1].utf8.count), let digits = UInt64(parts[1]) else { return nil }
    let scale = (0..<parts[1].utf8.count).reduce(1 as UInt64) { power, _ in power * 10 }
    let fraction = scale.dividingFullWidth(unit.multipliedFullWidth(by: digits)).quotient
    let (sum, isSumTooLarge) = product.addingReportingOverflow(fraction)
    return isSumTooLarge ? nil : sum
  }

  /// A unit in microseconds.
  private static func unit(_ name: Substring) -> UInt64? {
    switch name {
    case "y": 31_557_600_000_000
    case "month": 2_629_800_000_000
    case "w": 604_800_000_000
    case "d": 86_400_000_000
    case "h": 3_600_000_000
    case "min": 60_000_000
    case "s": 1_000_000
    case "ms": 1_000
    case "us", "μs": 1
    default: nil
    }
  }
}
