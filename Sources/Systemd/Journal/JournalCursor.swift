import Glibc
import Processes

/// The position of one entry in the journal, valid across rotation and restarts.
///
/// It is opaque text that journald makes (`systemd.journal-fields(7)`, `__CURSOR`). Its form is checked, as
/// it can be read from a file that others may have changed.
public struct JournalCursor: Sendable, Hashable {
  /// The text of the cursor.
  public let text: String

  /// Takes the text of a cursor: items such as `s=0a1b` with hexadecimal values, separated by semicolons, at
  /// most 512 bytes. Anything else gives nil.
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
  /// The current end of the journal, without running a command.
  ///
  /// No entry has this cursor. Entries that journald receives from now on come after it, even if somebody
  /// sets the wall clock: sd_journal_seek_cursor(3) compares the time since the boot first, and the wall
  /// clock only in files without entries of this boot. This cursor's wall clock time is later than that of
  /// any such entry.
  ///
  /// - Parameter bootID: the identifier of the current boot (random(4)).
  package static func now(inBoot bootID: String) -> JournalCursor? {
    let boot = bootID.filter { $0 != "-" }
    let monotonic = String(Linux.microseconds(CLOCK_MONOTONIC), radix: 16)
    return JournalCursor("b=\(boot);m=\(monotonic);t=\(String(Self.farRealtime, radix: 16))")
  }

  /// In the year 2540, in microseconds since 1970. systemd does not take this for a missing time yet.
  private static let farRealtime: UInt64 = 1 << 54

  /// Whether this cursor's entry comes before another's, in the order in which journalctl shows entries of
  /// several files.
  ///
  /// The order is by sequence number if both are in one sequence, else by the time since the boot if that is
  /// the same boot, else by the wall clock.
  public func precedes(_ other: JournalCursor) -> Bool {
    let (own, others) = (Items(self.text), Items(other.text))
    func precedes(_ key: KeyPath<Items, Substring?>, within group: KeyPath<Items, Substring?>) -> Bool? {
      guard let ownGroup = own[keyPath: group], ownGroup == others[keyPath: group] else { return nil }
      return self.precedes(own[keyPath: key], others[keyPath: key])
    }
    return precedes(\.number, within: \.sequence) ?? precedes(\.monotonic, within: \.boot)
      ?? self.precedes(own.realtime, others.realtime) ?? false
  }

  /// Whether two cursors are of one entry, or of an entry and its copy.
  ///
  /// When the journal moves from `/run/log/journal` to `/var/log/journal`, journald copies its entries. A copy is in
  /// another sequence, and the rest of its cursor is the same. Equal lines that journald has received at once differ in
  /// nothing but their number: of these, one may be taken for another's copy.
  public func isSameEntry(as other: JournalCursor) -> Bool {
    if self.text == other.text { return true }
    let (own, others) = (Items(self.text), Items(other.text))
    return own.sequence != others.sequence && own.boot != nil && own.boot == others.boot
      && own.monotonic == others.monotonic && own.realtime == others.realtime && own.hash == others.hash
  }

  /// Whether two cursors are of entries that journald has received at once, in different sequences.
  func isElsewhereAtOnce(with other: JournalCursor) -> Bool {
    let (own, others) = (Items(self.text), Items(other.text))
    guard let sequence = own.sequence, let otherSequence = others.sequence else { return false }
    return sequence != otherSequence && own.boot != nil && own.boot == others.boot
      && own.monotonic != nil && own.monotonic == others.monotonic
  }

  /// Whether an entry can have come between this cursor's entry and another's: false if the second follows the first,
  /// or is of another boot.
  func canHaveLost(before other: JournalCursor) -> Bool {
    let (own, others) = (Items(self.text), Items(other.text))
    guard let sequence = own.sequence, let number = own.number.flatMap({ UInt64($0, radix: 16) }),
      own.boot == others.boot
    else { return false }
    return others.sequence != sequence || others.number.flatMap { UInt64($0, radix: 16) } != number + 1
  }

  /// The sequence that the entry is numbered in; journald begins another one when the journal moves.
  package var sequence: Substring? {
    self.text.utf8.starts(with: "s=".utf8) ? self.text.prefix { $0 != ";" } : nil
  }

  /// When the entry was logged, by the wall clock.
  var realtime: RealtimeTimestamp? {
    Items(self.text).realtime.flatMap { UInt64($0, radix: 16) }.map { RealtimeTimestamp(microseconds: $0) }
  }

  /// When the entry was logged, in microseconds since the boot, and which boot that was.
  var sinceBoot: (microseconds: UInt64, bootID: String)? {
    let items = Items(self.text)
    guard let monotonic = items.monotonic.flatMap({ UInt64($0, radix: 16) }), let boot = items.boot else {
      return nil
    }
    return (monotonic, String(boot))
  }

  /// A position right before the entry, which is no entry's own; nil if the cursor does not tell when it was logged.
  package var justBefore: JournalCursor? {
    guard let (microseconds, bootID) = self.sinceBoot, microseconds > 0, let realtime = self.realtime else {
      return nil
    }
    let times = [microseconds - 1, realtime.microseconds].map { String($0, radix: 16) }
    return JournalCursor("b=\(bootID);m=\(times[0]);t=\(times[1])")
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
    var hash: Substring?

    init(_ text: String) {
      for item in text.split(separator: ";") {
        let value = item.dropFirst(2)
        switch item.first {
        case "s": self.sequence = value
        case "i": self.number = value
        case "b": self.boot = value
        case "m": self.monotonic = value
        case "t": self.realtime = value
        case "x": self.hash = value
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
