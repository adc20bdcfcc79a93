/// Finds, in what journalctl prints, the entry after which reading goes on.
///
/// With `--cursor=` journalctl begins at the cursor's entry, or, if the journal does not have that, at the next one. If the
/// journal has only a copy of it (``JournalCursor/isSameEntry(as:)``), it begins at the first entry of the same moment.
///
/// `--after-cursor=` is of no use: it skips one entry, whichever it is, if the cursor's has been vacuumed, and until version
/// 252 also if that is not an entry of the units asked for.
struct JournalResumption {
  /// The entry that is looked for; nil once it is found, or known to be missing.
  private var cursor: JournalCursor?
  /// Entries of the same moment, which may come before it.
  private var held: [JournalEntry] = []

  init(after position: JournalPosition) {
    if case .after(let cursor) = position { self.cursor = cursor }
  }

  /// Appends an entry that journalctl has printed to those that are handed out, unless it comes before that position.
  mutating func append(_ entry: JournalEntry, to entries: inout [JournalEntry]) {
    guard let cursor = self.cursor else { return entries.append(entry) }
    if entry.cursor.isSameEntry(as: cursor) {
      self.cursor = nil
      self.held = []
      return
    }
    self.held.append(entry)
    if !entry.cursor.isElsewhereAtOnce(with: cursor) { self.end(&entries) }
  }

  /// Appends what was held back, as nothing more comes.
  mutating func end(_ entries: inout [JournalEntry]) {
    if let cursor = self.cursor, let first = self.held.first, cursor.canHaveLost(before: first.cursor) {
      self.held[0].lossBegin = cursor.realtime
    }
    self.cursor = nil
    entries += self.held
    self.held = []
  }
}
