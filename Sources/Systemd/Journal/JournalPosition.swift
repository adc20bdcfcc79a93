/// Where in the journal to begin.
public enum JournalPosition: Sendable, Hashable {
  /// With the first entry there is of the current boot.
  case beginning

  /// With the first entry that is not older than this.
  case since(RealtimeTimestamp)

  /// With the entry after this one.
  case after(JournalCursor)
}
