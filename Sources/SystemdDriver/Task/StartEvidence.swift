import Systemd

/// What systemd and the journal say of a unit after its start has failed. What they do not answer, or were not asked, is nil.
struct StartEvidence: Sendable {
  var status: UnitStatus?
  /// What the journal has said since the start, where systemd does not tell all.
  var history: UnitHistory?
  /// What systemd says of the unit's processes.
  var commands: ServiceCommands?

  /// How the unit ended, as far as it is known.
  var end: UnitEnd? {
    guard let status else { return nil }
    guard !status.isForgotten else { return self.history?.end(since: nil).flatMap { UnitEnd($0) } }
    guard status.activeState == .failed else { return nil }
    return UnitEnd(
      status, failedCommand: UnitLifecycle.failedCommand(of: status, self.history, self.commands))
  }

  /// Whether a process of the unit has failed and it is not known which.
  var lacksFailedCommand: Bool {
    guard let status, status.activeState == .failed, UnitEnd.resultsOfProcesses.contains(status.result ?? "")
    else {
      return false
    }
    return UnitLifecycle.failedCommand(of: status, self.history, self.commands) == nil
  }
}
