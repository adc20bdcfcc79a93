import Processes
import Systemd

extension HostCheck {
  /// Checks that systemd runs and is in a state in which units can be started.
  ///
  /// - Parameter version: the version of systemctl.
  /// - Returns: properties of the manager, and the check.
  func systemd(_ version: SystemdVersion?) async throws -> (
    properties: [String: String], check: Check
  ) {
    var properties: [String: String] = [:]
    let check = try await self.check("systemd", .fail) {
      let state = try await self.systemctl.systemState()
      guard DriverHealth.usableStates.contains(state) else {
        return Check(
          "systemd", .fail, state,
          hint: state == "offline"
            ? "systemd is not PID 1 here; command_prefix reaches one elsewhere."
            : "Units cannot be started in this state: see `systemctl list-jobs`.")
      }
      let output = try await self.run(
        "systemctl", "--no-pager", "--no-ask-password", "show",
        "--property=Version,DefaultTimeoutStopUSec,LogLevel")
      properties = UnitProperties.parse(output.standardOutput).first ?? [:]
      let finding = [state, properties["Version"].map { "version \($0)" }].compactMap(\.self).joined(
        separator: ", ")
      let running = properties["Version"].flatMap { SystemdVersion("systemd \($0)") }
      if let running, let version, running.number != version.number {
        return Check(
          "systemd", .warn, finding,
          hint: "systemctl is of version \(version.number): run `systemctl daemon-reexec` after an update.")
      }
      return switch state {
      case "running": Check("systemd", .ok, finding)
      case "degraded":
        Check(
          "systemd", .warn, finding,
          hint: "Some units have failed, which hinders no task: see `systemctl list-units --failed`.")
      default:
        Check(
          "systemd", .warn, finding,
          hint: "Jobs are under way that starts may have to wait for: see `systemctl list-jobs`.")
      }
    }
    return (properties, check)
  }

  /// Checks that systemd says in the journal what happens to units.
  ///
  /// - Parameter properties: those of the manager.
  func logLevel(_ properties: [String: String]) -> Check {
    guard let text = properties["LogLevel"], let level = LogLevel(text) else {
      return Check("log level", .ok, "not known")
    }
    guard level < .info else { return Check("log level", .ok, text) }
    return Check(
      "log level", .warn, text,
      hint:
        "systemd does not say how units ended or that a start was skipped: `systemctl log-level info`, and LogLevel= in "
        + "system.conf.")
  }

  /// Checks that the driver may start and stop units.
  func rights() async throws -> Check {
    try await self.check("rights", .fail) {
      for (verb, refusal) in [("stop", "not loaded"), ("start", "not found")] {
        let output = try await self.run(
          "systemctl", "--no-pager", "--no-ask-password", verb, "--", Self.missingUnit)
        let error = self.tool("systemctl").error(output.result, verb)
        if error.reason == .unitNotFound { continue }
        guard error.reason == .accessDenied else {
          return Check(
            "rights", .fail, "cannot tell whether it may \(verb) units: \(self.message(of: output))",
            hint: "systemd should have said that \(Self.missingUnit) is \(refusal).")
        }
        return Check("rights", .fail, "may not \(verb) units: \(error.message)", hint: error.hint)
      }
      return Check("rights", .ok, "may start and stop units")
    }
  }

  /// Checks how long `systemctl show` of one unit takes.
  func show() async throws -> Check {
    try await self.check("systemctl show", .warn) {
      var durations: [Duration] = []
      for _ in 0..<Self.showCount {
        let output = try await self.run(
          "systemctl", "--no-pager", "--no-ask-password", "show", "--timestamp=us+utc",
          "--property=" + UnitStatus.requestedProperties.joined(separator: ","), "--", Self.missingUnit)
        guard output.result.termination.isSuccess else {
          return Check("systemctl show", .fail, self.tool("systemctl").error(output.result, "show"))
        }
        durations.append(output.result.duration)
      }
      let best = durations.min() ?? .zero
      let finding = "takes \(Int(best / .milliseconds(1))) ms"
      guard best > Self.slowShow else { return Check("systemctl show", .ok, finding) }
      return Check(
        "systemctl show", .warn, finding,
        hint: "Starts and ends are seen later. Is systemd busy (`systemd-cgtop`), or the command_prefix slow?"
      )
    }
  }
}
