import Processes

extension JournalEntry {
  /// An entry whose line of `journalctl -o json` is too long to be read.
  ///
  /// A quotation mark in a value has a backslash before it, so that what looks like a field in the ends of the line is one.
  ///
  /// - Returns: nil if the cursor is not in the ends of the line.
  init?(_ line: LineSplitter.LongLine) {
    func value(_ name: String) -> String? {
      for end in [line.head, line.tail] {
        for separator in ["{", ","] {
          let beginning = Array("\(separator)\"\(name)\":\"".utf8)
          guard let range = end.firstRange(of: beginning) else { continue }
          let value = end[range.upperBound...].prefix { $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
          if value.endIndex < end.endIndex { return String(decoding: value, as: UTF8.self) }
        }
      }
      return nil
    }
    guard let cursor = value("__CURSOR").flatMap({ JournalCursor($0) }), let realtime = cursor.realtime,
      let (microseconds, bootID) = cursor.sinceBoot
    else { return nil }
    self.cursor = cursor
    self.realtime = realtime
    self.monotonicMicroseconds = microseconds
    self.bootID = bootID
    self.unit = value("_SYSTEMD_UNIT")
    self.slice = value("_SYSTEMD_SLICE")
    self.omittedSize = line.size
  }
}
