import Systemd

extension UnitStatus {
  /// A time from which on all lines of an active unit's run are in the journal, and none of a run before; nil if it is
  /// not known.
  ///
  /// systemd notes that a unit has left the inactive state after it has started its process, which may have said something
  /// by then.
  var beginningOfRun: RealtimeTimestamp? {
    (self.inactiveExit ?? self.activeEnter).map { noted in
      let earlier = RealtimeTimestamp(microseconds: noted.microseconds - min(noted.microseconds, Self.slack))
      return self.inactiveEnter.map { $0 < noted ? max($0, earlier) : earlier } ?? earlier
    }
  }

  /// How long systemd may take to note it, in microseconds.
  private static let slack: UInt64 = 5_000_000
}
