/// Why bytes are not one MessagePack value.
public struct MessagePackError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The rule of the format, or the limit, that the bytes break.
  public enum Reason: Sendable, Hashable {
    /// The input ends inside a value: at least `count` bytes were expected, `available` are left.
    case truncated(count: Int, available: Int)

    /// An array, or a map, claims `count` elements, or entries, which need more bytes than the input still
    /// has.
    case countTooLarge(count: Int)

    /// The format byte is 0xc1, which the specification never uses.
    case reservedFormat

    /// A string is not valid UTF-8.
    case invalidUTF8

    /// A timestamp is not 4, 8 or 12 bytes long, or has more than 999 999 999 nanoseconds.
    case invalidTimestamp

    /// There are bytes after the value.
    case trailingBytes(count: Int)

    /// Arrays and maps lie deeper in each other than the limit allows.
    case tooDeep(limit: Int)

    /// The input is larger than the limit allows.
    case tooLarge(limit: Int)
  }

  /// Where in the input the rule is broken, in bytes from its start.
  ///
  /// The start of the length, number or content that is cut off or wrong; for a format byte that is not
  /// allowed, that byte; for a size limit, the first byte beyond it.
  public let offset: Int

  /// What was expected there, as a noun: `a string of 5 bytes`.
  public let expected: String

  /// Which rule is broken.
  public let reason: Reason

  /// One line: what was expected, where, and what is there instead.
  public var description: String {
    "malformed MessagePack at byte \(offset): expected \(expected), but \(problem)"
  }

  private var problem: String {
    switch reason {
    case .truncated(let count, let available):
      "at least \(count) more bytes are needed and \(available) are left"
    case .countTooLarge(let count):
      "the input is too short to hold \(count)"
    case .reservedFormat:
      "found 0xc1, which the format never uses"
    case .invalidUTF8:
      "it is not valid UTF-8"
    case .invalidTimestamp:
      "the length is not 4, 8 or 12 bytes, or there are more than 999999999 nanoseconds"
    case .trailingBytes(let count):
      "\(count) more bytes follow"
    case .tooDeep(let limit):
      "arrays and maps may be nested at most \(limit) deep"
    case .tooLarge(let limit):
      "at most \(limit) bytes are allowed"
    }
  }
}
