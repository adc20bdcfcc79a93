extension JournalEntry {
  /// Which fields are asked for: the fewer, the faster journalctl is.
  public enum Detail: Sendable {
    /// Those that ``forEachUnit(_:)`` and ``isLifecycle`` need.
    case units
    /// The fields of a log line, and those of the service manager's messages about a unit.
    case line
    /// Those, and those that ``forEachUnit(_:)`` needs.
    case lineAndUnits
    /// Those of ``line``, and which run of which unit has logged an entry, to which stream.
    case lifecycle
    /// All fields.
    case complete

    /// The names of the fields, without those that journalctl always prints; nil for all.
    var fields: [String]? {
      let line = [
        "MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "_PID", "_TRANSPORT", "UNIT", "MESSAGE_ID",
        "INVOCATION_ID", "JOB_RESULT", "JOB_TYPE", "UNIT_RESULT", "EXIT_CODE", "EXIT_STATUS", "COMMAND",
      ]
      let units = ["_SYSTEMD_UNIT", "_SYSTEMD_SLICE", "_UID", "OBJECT_SYSTEMD_UNIT", "COREDUMP_UNIT"]
      switch self {
      case .units: return ["_PID", "UNIT", "MESSAGE_ID"] + units
      case .line: return line
      case .lineAndUnits: return line + units
      case .lifecycle:
        return line + ["_SYSTEMD_UNIT", "_SYSTEMD_INVOCATION_ID", "_STREAM_ID"]
      case .complete: return nil
      }
    }
  }
}
