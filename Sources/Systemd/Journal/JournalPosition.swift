/// The position in the journal from which entries are read.
public enum JournalPosition: Sendable, Hashable {
  /// From the first entry of the current boot.
  case beginning

  /// From the first entry that is not older than this.
  case since(RealtimeTimestamp)

  /// From the entry after this one.
  case after(JournalCursor)

  /// Whether an entry comes after this position.
  package func precedes(_ entry: JournalEntry) -> Bool {
    switch self {
    case .beginning: true
    case .since(let time): entry.realtime >= time
    case .after(let cursor): cursor.precedes(entry.cursor)
    }
  }
}
