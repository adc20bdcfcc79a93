import Glibc
import Processes

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

extension JournalCursor {
  /// The end of the journal, without asking for it: no entry has this cursor, but whatever journald receives from now on
  /// comes after it, wherever somebody sets the wall clock.
  ///
  /// journald counts each entry's time since the boot as well, and in sd_journal_seek_cursor(3) that comes before the wall
  /// clock, which is for files without such an entry: its time here lies after all of theirs.
  ///
  /// - Parameter bootID: of the boot that this is, as random(4) tells it.
  package static func now(inBoot bootID: String) -> JournalCursor? {
    let boot = bootID.filter { $0 != "-" }
    let monotonic = String(Linux.microseconds(CLOCK_MONOTONIC), radix: 16)
    return JournalCursor("b=\(boot);m=\(monotonic);t=\(String(Self.farRealtime, radix: 16))")
  }

  /// In the year 2540, in microseconds since 1970: less than what systemd takes for no time at all.
  private static let farRealtime: UInt64 = 1 << 54

  /// Whether this cursor's entry comes before another's: by their numbers if journald has counted them in one sequence,
  /// else by the clock of the boot if that is the same, else by the wall clock. In this order journalctl shows the
  /// entries of several files.
  public func precedes(_ other: JournalCursor) -> Bool {
    let (own, others) = (Items(self.text), Items(other.text))
    func precedes(_ key: KeyPath<Items, Substring?>, within group: KeyPath<Items, Substring?>) -> Bool? {
      guard let ownGroup = own[keyPath: group], ownGroup == others[keyPath: group] else { return nil }
      return self.precedes(own[keyPath: key], others[keyPath: key])
    }
    return precedes(\.number, within: \.sequence) ?? precedes(\.monotonic, within: \.boot)
      ?? self.precedes(own.realtime, others.realtime) ?? false
  }

  private func precedes(_ first: Substring?, _ second: Substring?) -> Bool? {
    guard let first = first.flatMap({ UInt64($0, radix: 16) }),
      let second = second.flatMap({ UInt64($0, radix: 16) }), first != second
    else { return nil }
    return first < second
  }

  private struct Items {
    var sequence: Substring?
    var number: Substring?
    var boot: Substring?
    var monotonic: Substring?
    var realtime: Substring?

    init(_ text: String) {
      for item in text.split(separator: ";") {
        let value = item.dropFirst(2)
        switch item.first {
        case "s": self.sequence = value
        case "i": self.number = value
        case "b": self.boot = value
        case "m": self.monotonic = value
        case "t": self.realtime = value
        default: break
        }
      }
    }
  }
}

extension JournalCursor: CustomStringConvertible {
  /// The text of the cursor.
  public var description: String { self.text }
}
