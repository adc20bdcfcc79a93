import Systemd

/// Checks how a unit would behave as a task: a pure function of its properties.
struct UnitCheck: Sendable {
  /// The properties that are needed besides ``UnitStatus/requestedProperties``.
  static let properties = [
    "Restart", "RefuseManualStart", "RefuseManualStop", "StandardOutput", "LogNamespace", "SendSIGKILL",
    "UpheldBy",
    "LogRateLimitIntervalUSec", "LogRateLimitBurst", "LogLevelMax", "TimeoutStartUSec",
  ]

  private let unit: UnitName
  private let status: UnitStatus
  private let activeTriggers: [String]
  private let killTimeout: Duration
  private let defaultStopTimeout: String?

  /// - Parameters:
  ///   - unit: the name as it was asked for.
  ///   - status: its status, with ``properties``.
  ///   - activeTriggers: those of the units that start it that are active.
  ///   - killTimeout: Nomad's `kill_timeout`.
  ///   - defaultStopTimeout: systemd's `DefaultTimeoutStopSec=`, as systemctl prints it.
  init(
    _ unit: UnitName, _ status: UnitStatus, activeTriggers: [String], killTimeout: Duration,
    defaultStopTimeout: String?
  ) {
    self.unit = unit
    self.status = status
    self.activeTriggers = activeTriggers
    self.killTimeout = killTimeout
    self.defaultStopTimeout = defaultStopTimeout
  }

  /// The checks; only the first one if the unit cannot be a task.
  var checks: [Check] {
    let load = self.load
    guard load.verdict != .fail else { return [load] }
    return [
      load, self.file, self.names, self.enabled, self.state, self.start, self.restart, self.triggers,
      self.stop,
      self.stopTimeout, self.logs, self.logLevel,
    ].compactMap(\.self)
  }

  private func check(_ name: String, _ verdict: Check.Verdict, _ finding: String, _ hint: String? = nil)
    -> Check
  {
    Check(name, of: self.unit.name, verdict, finding, hint: hint)
  }

  private func property(_ name: String) -> String? {
    self.status.properties[name].flatMap { $0.isEmpty || $0 == "[not set]" ? nil : $0 }
  }

  private var load: Check {
    let state = "\(self.status.loadState)"
    let reason = self.status.loadError.map { "\(state): \($0)" } ?? state
    switch self.status.loadState {
    case .loaded:
      guard self.status.needsDaemonReload != true else {
        return self.check(
          "load state", .warn, "\(state), and its file has changed since",
          "`systemctl daemon-reload` makes systemd read it.")
      }
      return self.check("load state", .ok, state)
    case .notFound:
      return self.check(
        "load state", .fail, reason,
        "Check the name with `systemctl list-unit-files`; run `systemctl daemon-reload` if the file is new.")
    case .masked:
      return self.check(
        "load state", .fail, reason, "If it should be usable, run `systemctl unmask \(self.unit)`.")
    default:
      return self.check(
        "load state", .fail, reason,
        "`systemd-analyze verify \(self.unit)` shows the error; then run `systemctl daemon-reload`.")
    }
  }

  private var file: Check {
    let files = [self.status.fragmentPath].compactMap(\.self) + self.status.dropInPaths
    guard !files.isEmpty else {
      return self.check("file", .warn, "none", "The unit was made by a program, and is gone when it ends.")
    }
    return self.check("file", .ok, files.joined(separator: " "))
  }

  private var names: Check? {
    let aliases = self.status.names.filter { $0 != self.status.id }
    guard !aliases.isEmpty else { return nil }
    return self.check(
      "names", .ok, "\(self.status.id), also \(aliases.joined(separator: " "))",
      "Under all of its names it is one unit, and one task's at a time.")
  }

  private var enabled: Check? {
    guard let state = self.status.unitFileState else { return nil }
    guard state == "enabled" || state == "enabled-runtime" else { return self.check("enabled", .ok, state) }
    return self.check(
      "enabled", .warn, state,
      "systemd starts it when the machine starts, whether Nomad wants it or not: `systemctl disable \(self.unit)`."
    )
  }

  private var state: Check {
    let state = [
      "\(self.status.activeState)", self.status.subState,
      self.status.result == "success" ? nil : self.status.result,
    ].compactMap(\.self).joined(separator: ", ")
    switch self.status.activeState {
    case .inactive: return self.check("state", .ok, state)
    case .failed:
      return self.check(
        "state", .warn, state,
        "`systemctl status \(self.unit)` shows why; `systemctl reset-failed` clears it.")
    default:
      return self.check(
        "state", .ok, state,
        "A task that is started takes it up as it is; on_active in the job says otherwise.")
    }
  }

  /// When a start of the task is reported as done.
  private var start: Check {
    if self.unit.type == .scope {
      return self.check(
        "start", .warn, "scopes are not started by systemd", "A task can take it up while it is active.")
    }
    if self.property("RefuseManualStart") == "yes" {
      return self.check(
        "start", .fail, "RefuseManualStart=yes", "A unit that requires it can be the task in its place.")
    }
    guard self.unit.type == .service, let type = self.status.serviceType else {
      return self.check("start", .ok, "answered when the start job is done")
    }
    let patience = "\(UnitLifecycle.readinessPatience.components.seconds) s"
    let answer =
      switch type {
      case "simple", "idle": "answered at once"
      case "exec": "answered when its program is executed"
      case "oneshot": "answered when its program runs; the task runs until it ends"
      case "notify", "notify-reload": "answered when it says READY=1, or after \(patience) if it runs"
      case "dbus": "answered when it has its bus name, or after \(patience) if it runs"
      case "forking": "answered when its first process has ended, or after \(patience) if it runs"
      default: "answered when the start job is done"
      }
    let remains = self.status.remainsAfterExit == true
    return self.check(
      "start", .ok, "Type=\(type): \(answer)",
      remains ? "With RemainAfterExit=yes the task runs until it is stopped, though no process does." : nil)
  }

  private var restart: Check? {
    guard let restart = self.property("Restart") else { return nil }
    guard restart != "no" else { return self.check("restart", .ok, "Restart=no") }
    return self.check(
      "restart", .warn, "Restart=\(restart)",
      "systemd restarts it, and Nomad may too: set Restart=no, or restart { attempts = 0 } in the job.")
  }

  private var triggers: Check {
    let triggers = self.status.triggeredBy
    let upheld = self.property("UpheldBy")
    if let upheld {
      return self.check(
        "triggers", .warn, "upheld by \(upheld)",
        "While that is active, systemd starts the unit again and again.")
    }
    guard !triggers.isEmpty else { return self.check("triggers", .ok, "none") }
    let list = triggers.map { $0 + (self.activeTriggers.contains($0) ? " (active)" : "") }.joined(
      separator: " ")
    guard !self.activeTriggers.isEmpty else {
      return self.check(
        "triggers", .ok, list, "Once active, they start the unit whether Nomad wants it or not.")
    }
    return self.check(
      "triggers", .warn, list,
      "They start the unit whether Nomad wants it or not: `systemctl stop \(self.activeTriggers.joined(separator: " "))`, "
        + "or make them the tasks.")
  }

  private var stop: Check? {
    if self.property("RefuseManualStop") == "yes" {
      return self.check(
        "stop", .fail, "RefuseManualStop=yes",
        "Nomad cannot stop it. A unit that requires it can be the task in its place.")
    }
    guard let mode = self.status.killMode, self.unit.type == .service else { return nil }
    let finding = "KillMode=\(mode)"
    switch mode {
    case "control-group", "mixed":
      guard self.property("SendSIGKILL") != "no" else {
        return self.check(
          "stop", .warn, "\(finding), SendSIGKILL=no",
          "Processes that ignore SIGTERM are left to Nomad's kill_timeout.")
      }
      return self.check("stop", .ok, finding)
    default:
      return self.check(
        "stop", .warn, finding, "Processes of the unit can outlive its stop, and the task's end.")
    }
  }

  private var stopTimeout: Check? {
    guard self.unit.type == .service, let text = self.property("TimeoutStopUSec"),
      let timeout = self.status.stopTimeout
    else { return nil }
    let kill = Self.text(self.killTimeout)
    let finding = "TimeoutStopSec=\(text), kill_timeout \(kill)"
    switch timeout {
    case .finite(self.killTimeout):
      return self.check("stop timeout", .ok, finding)
    case .finite(let duration) where duration < self.killTimeout:
      return self.check(
        "stop timeout", .warn, finding,
        "systemd kills it after \(Self.text(duration)), before kill_timeout is over: raise TimeoutStopSec= in the unit. "
          + "(The time after a kill_signal of the job comes before that.)")
    default: break
    }
    // The default says nothing about how long this unit needs.
    if text == self.defaultStopTimeout {
      return self.check(
        "stop timeout", .ok, finding,
        "It has \(kill) to stop, not systemd's default: set kill_timeout in the job if it needs more.")
    }
    return self.check(
      "stop timeout", .warn, finding,
      "It is killed after \(kill), before its own time is over: set kill_timeout in the job.")
  }

  private static func text(_ duration: Duration) -> String {
    let seconds = duration / .seconds(1)
    return seconds.rounded() == seconds && seconds < 1e9 ? "\(Int(seconds))s" : "\(seconds)s"
  }

  private var logs: Check? {
    guard self.unit.type == .service, let output = self.property("StandardOutput") else { return nil }
    if let namespace = self.property("LogNamespace") {
      return self.check(
        "logs", .warn, "LogNamespace=\(namespace)",
        "Its lines are in a journal of their own and not in the task's logs.")
    }
    guard output.hasPrefix("journal") || output == "inherit" || output.hasPrefix("kmsg") else {
      return self.check(
        "logs", .warn, "StandardOutput=\(output)",
        "Its output goes neither to the journal nor to the task's logs.")
    }
    return self.check("logs", .ok, "StandardOutput=\(output)")
  }

  /// What systemd says about the unit is held to the same level as what the unit itself logs.
  private var logLevel: Check? {
    guard let text = self.property("LogLevelMax"), let level = LogLevel(text), level < .info else {
      return nil
    }
    return self.check(
      "log level", .warn, "LogLevelMax=\(level)",
      "systemd does not say in the journal how it ended or that a start was skipped: some ends are not known then."
    )
  }
}
