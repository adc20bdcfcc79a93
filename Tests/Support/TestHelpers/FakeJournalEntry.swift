import Glibc
import Processes
import Systemd

/// An entry of a ``FakeJournal``.
struct FakeJournalEntry: Sendable {
  /// Counts the entries of the journal, from 1 on.
  let number: Int
  /// When it was made, in microseconds since 1970.
  let realtime = Linux.microseconds(CLOCK_REALTIME)
  /// When it was made, in microseconds since the boot.
  let monotonic = Linux.microseconds(CLOCK_MONOTONIC)
  private let fields: [String: String]
  /// Each field as it stands in JSON, by its name.
  private let json: [String: String]

  /// The sequence that it is numbered in.
  var sequence: String

  private static let bootID = (BootID.current ?? "b").filter { $0 != "-" }

  init(number: Int, sequence: String, _ fields: [String: String]) {
    self.number = number
    self.sequence = sequence
    self.fields = fields
    self.json = Dictionary(uniqueKeysWithValues: fields.map { ($0.key, Self.pair($0.key, $0.value)) })
  }

  var cursor: JournalCursor? { JournalCursor(self.cursorText) }

  private var cursorText: String {
    func hexadecimal(_ number: some BinaryInteger) -> String { String(number, radix: 16) }
    return
      "s=\(self.sequence);i=\(hexadecimal(self.number));b=\(Self.bootID);m=\(hexadecimal(self.monotonic))"
      + ";t=\(hexadecimal(self.realtime));x=\(hexadecimal(self.number))"
  }

  /// Whether `--cursor=` begins after this entry (sd_journal_seek_cursor(3)).
  func precedes(_ cursor: String) -> Bool {
    var items: [Substring: Substring] = [:]
    for item in cursor.split(separator: ";") { items[item.prefix(1)] = item.dropFirst(2) }
    func number(_ key: Substring) -> UInt64? { items[key].flatMap { UInt64($0, radix: 16) } }
    if items["s"] == Substring(self.sequence), let number = number("i") { return self.number < number }
    if items["b"] == Substring(Self.bootID), let monotonic = number("m") { return self.monotonic < monotonic }
    return number("t").map { self.realtime < $0 } ?? false
  }

  /// Whether PID 1 has logged it.
  var isOfManager: Bool { self.fields["_PID"] == "1" }

  /// Whether `--unit=` of a unit shows it.
  func isOf(_ unit: String) -> Bool {
    self.fields["_SYSTEMD_UNIT"] == unit || (self.isOfManager && self.fields["UNIT"] == unit)
      || (self.fields["_UID"] == "0" && self.fields["OBJECT_SYSTEMD_UNIT"] == unit)
  }

  /// The unit that the entry is about, by its field `UNIT`.
  var subject: String? { self.fields["UNIT"] }

  /// The line of `--output=json`.
  ///
  /// - Parameter names: the fields besides those that are always there; nil for all.
  func line(_ names: Set<String>?) -> String {
    let pairs =
      [
        Self.pair("__CURSOR", self.cursorText), Self.pair("__REALTIME_TIMESTAMP", "\(self.realtime)"),
        Self.pair("__MONOTONIC_TIMESTAMP", "\(self.monotonic)"), Self.pair("_BOOT_ID", Self.bootID),
      ] + self.json.filter { names?.contains($0.key) ?? true }.values
    return "{\(pairs.joined(separator: ","))}\n"
  }

  private static func pair(_ name: String, _ value: String) -> String { "\"\(name)\":\(self.quoted(value))" }

  private static func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": quoted += "\\\(scalar)"
      case _ where scalar.value < 0x20:
        quoted += "\\u00" + (scalar.value < 0x10 ? "0" : "") + String(scalar.value, radix: 16)
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}
