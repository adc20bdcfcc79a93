/// The position in the journal from which entries are read.
public enum JournalPosition: Sendable, Hashable {
  /// From the first entry of the current boot.
  case beginning

  /// From the first entry that is not older than this.
  case since(RealtimeTimestamp)

  /// From the entry after this one.
  case after(JournalCursor)
}
