import Systemd

/// How far a task's logs have been delivered, and what keeps them open: what a later process of the plugin needs to go on.
struct LogCheckpoint: Sendable, Hashable {
  /// The last entry that was delivered whole; nil before there is one.
  var cursor: JournalCursor?
  /// How many bytes of the entry's line after that have been delivered.
  var partial = 0
  /// The process that holds the FIFOs open.
  var holder: Int32?

  init(cursor: JournalCursor? = nil, partial: Int = 0, holder: Int32? = nil) {
    self.cursor = cursor
    self.partial = partial
    self.holder = holder
  }

  /// Reads lines of text: the cursor, the number of bytes and the process, each of which may be missing.
  init?(_ text: Substring) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.count >= 3, let partial = Int(lines[1]), partial >= 0 else { return nil }
    self.cursor = JournalCursor(String(lines[0]))
    guard self.cursor != nil || lines[0].isEmpty else { return nil }
    self.partial = partial
    self.holder = Int32(lines[2]).flatMap { $0 > 1 ? $0 : nil }
  }

  /// The text that ``init(_:)`` reads.
  var text: String { "\(self.cursor?.text ?? "")\n\(self.partial)\n\(self.holder.map(String.init) ?? "")\n" }
}
