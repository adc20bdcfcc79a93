import Systemd

/// The texts of all task events, as `nomad alloc status` shows them.
enum TaskEventText: Sendable, Hashable {
  case started(unit: String)
  case adopted(unit: String)
  case restartedAtStart(unit: String)
  case left(unit: String)
  case recovered(unit: String)
  case restarted(unit: String, count: UInt32, reason: String?)
  case replaced(unit: String)
  case needsDaemonReload(unit: String)
  case undefined(unit: String)
  case restartStuck(unit: String)
  case endUnknown(unit: String)
  case heldBack(unit: String)
  case triggers(unit: String, names: [String])
  case startedAgain(unit: String, names: [String])
  case stopping(unit: String)
  case killing(unit: String)
  case logsUnavailable(unit: String, reason: String)
  case logsSuppressed(unit: String, text: String)
  case logsLost(unit: String, from: RealtimeTimestamp, to: RealtimeTimestamp)
  case logsIncomplete(unit: String, reason: String)

  var message: String {
    switch self {
    case .started(let unit): "Started \(unit)"
    case .adopted(let unit): "\(unit) was already active and is now the task's"
    case .restartedAtStart(let unit): "Restarted \(unit), which was already active"
    case .left(let unit): "\(unit) is left running and is no longer the task's"
    case .recovered(let unit): "Recovered \(unit)"
    case .restarted(let unit, let count, let reason):
      "systemd restarted \(unit) (restart \(count)\(reason.map { ", after the result '\($0)'" } ?? ""))"
    case .replaced(let unit): "\(unit) was restarted by somebody else and stays the task's"
    case .needsDaemonReload(let unit):
      "The file of \(unit) has changed, and systemd uses the old one until: systemctl daemon-reload"
    case .undefined(let unit): "\(unit) runs, but its file is gone: it cannot be started again"
    case .triggers(let unit, let names):
      "\(unit) is stopped, but can be started again by \(names.joined(separator: ", "))"
    case .startedAgain(let unit, let names):
      "\(unit) is stopped, and was started again at once"
        + (names.isEmpty ? "" : ", perhaps by \(names.joined(separator: ", "))")
        + ": it is no longer the task's"
    case .restartStuck(let unit):
      "systemd is to restart \(unit) and has no job for that, as when a unit that it requires has failed: systemctl "
        + "status \(unit) shows more, systemctl start \(unit) tries again"
    case .endUnknown(let unit):
      "\(unit) has ended, and neither systemd nor the journal tells how. Nothing speaks for a failure: the exit code is 0"
    case .heldBack(let unit):
      "\(unit) has ended while the machine goes down: that is no end of the task"
    case .stopping(let unit): "Stopping \(unit)"
    case .killing(let unit): "\(unit) did not stop in time: killing it"
    case .logsSuppressed(let unit, let text):
      "\(unit) logs too much: \(text). Raise LogRateLimitBurst= in the unit (0 does not switch the limit off), or "
        + "RateLimitBurst= in journald.conf"
    case .logsLost(let unit, let from, let to):
      "Lines of \(unit) may be missing: the journal has nothing more of what was logged from \(from) to \(to), as the "
        + "task's log collector did not read, or the plugin did not run"
    case .logsIncomplete(let unit, let reason): "The last lines of \(unit) may be missing: \(reason)"
    case .logsUnavailable(let unit, let reason): "The logs of \(unit) cannot be followed: \(reason)"
    }
  }
}
