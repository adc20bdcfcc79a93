/// Where in the journal to begin.
public enum JournalPosition: Sendable, Hashable {
  /// With the first entry there is of the current boot.
  case beginning

  /// With the first entry that is not older than this.
  case since(RealtimeTimestamp)

  /// With the entry after this one.
  case after(JournalCursor)
}

/// The position of one entry in the journal, valid across rotation and restarts.
///
/// It is opaque text that journald makes (`systemd.journal-fields(7)`, `__CURSOR`); its form is checked as it may
/// come back from a file that others could have changed.
public struct JournalCursor: Sendable, Hashable {
  /// The text of the cursor.
  public let text: String

  /// Takes the text of a cursor: items such as `s=0a1b` with hexadecimal values, separated by semicolons, at most
  /// 512 bytes. Anything else gives `nil`.
  public init?(_ text: String) {
    guard Self.isValid(text.utf8) else { return nil }
    self.text = text
  }

  // One pass without allocations: each entry that is read has a cursor.
  private static func isValid(_ text: some Collection<UInt8>) -> Bool {
    guard text.count <= 512 else { return false }
    var valueLength = 0
    var keyLength = 0
    var isInValue = false
    for byte in text {
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9") where isInValue,
        UInt8(ascii: "a")...UInt8(ascii: "f") where isInValue:
        valueLength += 1
      case UInt8(ascii: "a")...UInt8(ascii: "z") where !isInValue && keyLength == 0:
        keyLength = 1
      case UInt8(ascii: "=") where !isInValue && keyLength == 1:
        isInValue = true
      case UInt8(ascii: ";") where valueLength > 0:
        (keyLength, valueLength, isInValue) = (0, 0, false)
      default:
        return false
      }
    }
    return valueLength > 0
  }
}

extension JournalCursor: CustomStringConvertible {
  /// The text of the cursor.
  public var description: String { text }
}
