import Systemd

extension FakeUnit {
  /// What `systemctl show --timestamp=us+utc` prints: all properties that the unit's type has.
  var shown: [String: String] {
    let loadError =
      switch self.loadState {
      case .notFound: "org.freedesktop.systemd1.NoSuchUnit \"Unit \(self.name) not found.\""
      case .masked: "org.freedesktop.systemd1.UnitMasked \"Unit \(self.name) is masked.\""
      case .badSetting:
        "org.freedesktop.systemd1.BadUnitSetting \"Unit \(self.name) has a bad unit file setting.\""
      default: ""
      }
    var values = [
      "Id": self.name, "Names": self.names.joined(separator: " "), "LoadState": "\(self.loadState)",
      "LoadError": loadError, "ActiveState": "\(self.activeState)", "SubState": self.subState,
      "FragmentPath": self.fragmentPath, "DropInPaths": "", "UnitFileState": "static",
      "InvocationID": self.invocationID ?? "", "NeedDaemonReload": self.needsDaemonReload ? "yes" : "no",
      "CollectMode": self.isCollectedWhenFailed ? "inactive-or-failed" : "inactive",
      "Triggers": self.triggers.joined(separator: " "),
      "TriggeredBy": self.triggeredBy.joined(separator: " "), "Job": self.job.map { "\($0.id)" } ?? "",
      "Result": self.result,
    ]
    let common = ["StateChange", "InactiveExit", "ActiveEnter", "ActiveExit", "InactiveEnter"]
    for name in common + (self.isService ? ["ExecMainStart", "ExecMainExit"] : []) {
      values["\(name)Timestamp"] = self.timestamps["\(name)Timestamp"].map(Self.text) ?? ""
    }
    if self.isService { values.merge(self.shownOfService) { $1 } }
    return values.merging(self.properties) { $1 }
  }

  private var shownOfService: [String: String] {
    let (code, status) =
      switch self.mainProcessExit {
      case .exited(let status)?: (1, status)
      case .killed(let signal)?: (2, signal)
      case .dumped(let signal)?: (3, signal)
      case nil: (0, 0 as Int32)
      }
    return [
      "Type": self.serviceType, "NRestarts": "\(self.restartCount)", "ExecMainCode": "\(code)",
      "ExecMainStatus": "\(status)", "MainPID": "\(self.programRuns ? self.mainProcessID : 0)",
      "ControlPID": "0", "ControlGroup": self.isUp ? self.controlGroup : "",
      "RemainAfterExit": self.remainsAfterExit ? "yes" : "no", "TimeoutStopUSec": "1min 30s",
      "KillMode": "control-group", "StatusText": "", "StatusErrno": "0", "CPUUsageNSec": "[not set]",
      "MemoryCurrent": "[not set]", "TasksCurrent": "[not set]",
    ]
  }

  private static func text(_ time: RealtimeTimestamp) -> String {
    let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    let weekday = weekdays[Int(time.microseconds / 86_400_000_000 % 7)]
    let words = time.description.dropLast().split(separator: "T")
    return "\(weekday) \(words.joined(separator: " ")) UTC"
  }
}
