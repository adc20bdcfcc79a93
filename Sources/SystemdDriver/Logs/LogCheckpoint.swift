import Systemd

/// How far a task's logs have been delivered, and what keeps their FIFOs open: all that a later process of the plugin
/// needs to go on.
struct LogCheckpoint: Sendable, Hashable {
  /// The last entry whose line was delivered whole; nil if there is none yet.
  var cursor: JournalCursor?
  /// How many bytes of the next entry's line have been delivered.
  var partial = 0
  /// The process that keeps the FIFOs open: ``FIFOKeeper``.
  var keeper: Int32?

  init(cursor: JournalCursor? = nil, partial: Int = 0, keeper: Int32? = nil) {
    self.cursor = cursor
    self.partial = partial
    self.keeper = keeper
  }

  /// Reads lines of text: the cursor, the number of bytes and the process. The cursor and the process may be missing.
  init?(_ text: Substring) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.count >= 3, let partial = Int(lines[1]), partial >= 0 else { return nil }
    self.cursor = JournalCursor(String(lines[0]))
    guard self.cursor != nil || lines[0].isEmpty else { return nil }
    self.partial = partial
    self.keeper = Int32(lines[2]).flatMap { $0 > 1 ? $0 : nil }
  }

  /// The text that ``init(_:)`` reads.
  var text: String { "\(self.cursor?.text ?? "")\n\(self.partial)\n\(self.keeper.map(String.init) ?? "")\n" }
}
