/// The texts of all task events, as `nomad alloc status` shows them.
enum TaskEventText: Sendable, Hashable {
  case started(unit: String)
  case adopted(unit: String)
  case restartedAtStart(unit: String)
  case left(unit: String)
  case recovered(unit: String)
  case restarted(unit: String, count: UInt32)
  case replaced(unit: String)
  case stopping(unit: String)
  case killing(unit: String)
  case logsUnavailable(unit: String, reason: String)

  var message: String {
    switch self {
    case .started(let unit): "Started \(unit)"
    case .adopted(let unit): "\(unit) was already active and is now the task's"
    case .restartedAtStart(let unit): "Restarted \(unit), which was already active"
    case .left(let unit): "\(unit) is left running and is no longer the task's"
    case .recovered(let unit): "Recovered \(unit)"
    case .restarted(let unit, let count): "systemd restarted \(unit) (restart \(count))"
    case .replaced(let unit): "\(unit) was restarted by somebody else and stays the task's"
    case .stopping(let unit): "Stopping \(unit)"
    case .killing(let unit): "\(unit) did not stop in time: killing it"
    case .logsUnavailable(let unit, let reason): "The logs of \(unit) cannot be followed: \(reason)"
    }
  }
}
