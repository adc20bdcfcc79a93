import Systemd

/// Which entries of the journal a follower wants, and how much of each.
struct JournalSelection: Sendable, Hashable {
  var units: [UnitName]
  var scope = JournalScope.all
  var detail: JournalEntry.Detail

  /// Whether a follower of all units has to hand out the entry, which is one of these units'.
  func includes(_ entry: JournalEntry) -> Bool { self.scope.includes(entry, of: self.units) }
}
