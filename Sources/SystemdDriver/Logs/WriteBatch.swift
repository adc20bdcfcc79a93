import Systemd

/// Whole lines for one of a task's two streams, which are written at once.
struct WriteBatch: Sendable {
  /// Whether the lines go to the task's standard error.
  private(set) var isError = false
  private(set) var bytes: [UInt8] = []
  /// Where the line of each entry ends.
  private(set) var ends: [(end: Int, cursor: JournalCursor)] = []

  /// Whether a line fits: a batch of several lines goes to one stream and is no larger than what a FIFO takes whole or
  /// not at all. A longer line is a batch of its own.
  func canAppend(_ line: LogLine) -> Bool {
    self.bytes.isEmpty
      || (line.isError == self.isError && self.bytes.count + line.bytes.count <= LogPipe.atomicSize)
  }

  /// Adds the line of an entry.
  mutating func append(_ line: LogLine, of entry: JournalEntry) { self.append(line, endingAt: entry.cursor) }

  /// Adds a line after which reading goes on at a position.
  mutating func append(_ line: LogLine, endingAt cursor: JournalCursor) {
    self.isError = line.isError
    self.bytes += line.bytes
    self.ends.append((self.bytes.count, cursor))
  }

  /// Adds an entry that has no line.
  mutating func skip(_ entry: JournalEntry) { self.ends.append((self.bytes.count, entry.cursor)) }
}
