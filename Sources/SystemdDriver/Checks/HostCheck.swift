public import Processes
import Systemd

/// Looks at what tasks need of this host and of units, by commands that change nothing.
public struct HostCheck: Sendable {
  /// The oldest systemd that the driver works with.
  static let oldestVersion = 247
  /// A unit that does not exist. That systemd refuses to start and to stop it for that reason, and for no other, tells
  /// that it may be asked to, and changes nothing.
  static let missingUnit = "nomad-driver-systemd-check-of-rights.service"
  /// Above this a look at one unit is slow: they take some 10 ms.
  static let slowShow: Duration = .milliseconds(250)
  /// How often a look at a unit is timed: other work makes some of them slower, none quicker.
  private static let showCount = 3
  private static let timeLimit: Duration = .seconds(10)

  private let runner: any CommandRunner
  private let commandPrefix: [String]
  private let systemctl: Systemctl

  /// - Parameters:
  ///   - runner: runs the commands.
  ///   - commandPrefix: words put before every command, to reach a systemd elsewhere.
  public init(runner: any CommandRunner, commandPrefix: [String] = []) {
    self.runner = runner
    self.commandPrefix = commandPrefix
    self.systemctl = Systemctl(
      runner: runner, path: Self.path("systemctl", commandPrefix), commandPrefix: commandPrefix)
  }

  /// Looks at the host and then at units.
  ///
  /// - Parameters:
  ///   - units: names as jobs have them.
  ///   - killTimeout: Nomad's `kill_timeout` of the tasks that the units are to be.
  /// - Throws: `CancellationError`; all else is a finding.
  public func run(_ units: [String], killTimeout: Duration) async throws -> [Check] {
    let (version, programs) = try await self.programs()
    let (manager, systemd) = try await self.systemd(version)
    var checks = programs + [systemd]
    if systemd.verdict != .fail {
      checks += try await [self.rights(), self.show()]
    }
    checks += try await [self.journal(), self.journalSync(), self.journalStorage(), self.journalLimits()]
    checks += try await [self.controlGroups(), self.exec()]
    for unit in units {
      guard systemd.verdict != .fail else {
        checks.append(Check("unit", of: unit, .fail, "not looked at: systemd does not answer"))
        continue
      }
      checks += try await self.unit(
        unit, killTimeout: killTimeout, defaultStopTimeout: manager["DefaultTimeoutStopUSec"])
    }
    return checks
  }

  /// Runs a program as the driver runs systemctl.
  private func run(_ name: String, _ arguments: String...) async throws -> CommandOutput {
    try await self.tool(name).run(arguments[0], [], arguments, timeLimit: Self.timeLimit)
  }

  private func tool(_ name: String) -> SystemdTool {
    SystemdTool(runner: self.runner, name: name, path: self.path(name), commandPrefix: self.commandPrefix)
  }

  private func path(_ name: String) -> String { Self.path(name, self.commandPrefix) }

  /// Behind a prefix the other system looks the names up.
  private static func path(_ name: String, _ commandPrefix: [String]) -> String {
    commandPrefix.isEmpty ? Executable.find(name) : name
  }

  /// Makes a check of what may fail.
  private func check(_ name: String, _ verdict: Check.Verdict, _ body: () async throws -> Check) async throws
    -> Check
  {
    do {
      return try await body()
    } catch let error as SystemdError {
      return Check(name, verdict, error)
    }
  }

  // MARK: systemd

  private func programs() async throws -> (systemctl: SystemdVersion?, checks: [Check]) {
    var versions: [SystemdVersion] = []
    var checks: [Check] = []
    for name in ["systemctl", "journalctl"] {
      checks.append(
        try await self.check(name, .fail) {
          let output = try await self.run(name, "--version")
          let text = String(decoding: output.standardOutput, as: UTF8.self)
          guard output.result.termination.isSuccess, let version = SystemdVersion(text) else {
            return Check(
              name, .fail, self.said(output),
              hint: "\(self.path(name)) --version does not name systemd's version.")
          }
          versions.append(version)
          let finding = "\(self.path(name)), version \(version.full)"
          if version.number < Self.oldestVersion {
            return Check(
              name, .fail, finding, hint: "The driver needs systemd \(Self.oldestVersion) or later.")
          }
          if version != versions[0] {
            return Check(
              name, .warn, finding,
              hint: "It is not of the same version as systemctl: an update may be half done.")
          }
          return Check(name, .ok, finding)
        })
    }
    return (checks[0].verdict == .fail ? nil : versions.first, checks)
  }

  /// - Returns: properties of the manager, and the check.
  private func systemd(_ version: SystemdVersion?) async throws -> (
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
        "systemctl", "--no-pager", "--no-ask-password", "show", "--property=Version,DefaultTimeoutStopUSec")
      properties = Self.assignments(output.standardOutput)
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

  /// Lines of the form `Name=value`; of one name the last.
  private static func assignments(_ output: [UInt8]) -> [String: String] {
    var values: [String: String] = [:]
    for line in String(decoding: output, as: UTF8.self).split(whereSeparator: \.isNewline) {
      guard let equals = line.firstIndex(of: "="), !line.hasPrefix("#"), !line.hasPrefix(";") else {
        continue
      }
      let name = line[..<equals].split(separator: " ").first.map(String.init) ?? ""
      values[name] = line[line.index(after: equals)...].split(separator: " ").joined(separator: " ")
    }
    return values
  }

  private func said(_ output: CommandOutput) -> String {
    let text = DisplayText(output.result.standardError + output.standardOutput.prefix(200)).text
    return text.isEmpty ? "\(output.result.termination)" : text
  }

  private func rights() async throws -> Check {
    try await self.check("rights", .fail) {
      for (verb, refusal) in [("stop", "not loaded"), ("start", "not found")] {
        let output = try await self.run(
          "systemctl", "--no-pager", "--no-ask-password", verb, "--", Self.missingUnit)
        let error = self.tool("systemctl").error(output.result, verb)
        if error.reason == .unitNotFound { continue }
        guard error.reason == .accessDenied else {
          return Check(
            "rights", .fail, "may it \(verb) units? \(self.said(output))",
            hint: "systemd should have said that \(Self.missingUnit) is \(refusal).")
        }
        return Check("rights", .fail, "may not \(verb) units: \(error.message)", hint: error.hint)
      }
      return Check("rights", .ok, "may start and stop units")
    }
  }

  private func show() async throws -> Check {
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

  // MARK: The journal

  private func journal() async throws -> Check {
    try await self.check("journal", .fail) {
      let output = try await self.run(
        "journalctl", "--no-pager", "--quiet", "--boot", "--lines=1", "--output=cat", "_PID=1")
      guard output.result.termination.isSuccess else {
        let error = self.tool("journalctl").error(output.result, "--lines=1")
        return Check(
          "journal", .fail, self.said(output),
          hint: error.reason == .accessDenied
            ? "Tasks have no logs. Run as root, or in the group systemd-journal."
            : "Tasks have no logs. Does systemd-journald.service run, and may it be read?")
      }
      guard !output.standardOutput.isEmpty else {
        return Check(
          "journal", .warn, "nothing from systemd in this boot",
          hint: "Others' entries may be hidden: run as root, or in the group systemd-journal.")
      }
      return Check("journal", .ok, "can be read")
    }
  }

  private func journalSync() async throws -> Check {
    let hint =
      "The last lines of a unit may come late or be missed, and ends that only the journal tells are not known."
    return try await self.check("journal sync", .warn) {
      let output = try await self.run("journalctl", "--sync")
      guard output.result.termination.isSuccess else {
        return Check("journal sync", .warn, self.said(output), hint: "\(hint) It needs root.")
      }
      return Check("journal sync", .ok, "can be waited for")
    }
  }

  private func journalStorage() async throws -> Check {
    try await self.check("journal storage", .warn) {
      for (directory, kind) in [("/var/log/journal", "persistent"), ("/run/log/journal", "volatile")] {
        let output = try await self.run(
          "journalctl", "--no-pager", "--quiet", "--directory=\(directory)", "--boot", "--lines=1",
          "--output=cat")
        if output.result.termination.isSuccess, !output.standardOutput.isEmpty {
          return Check(
            "journal storage", .ok, "\(kind), in \(directory)",
            hint: kind == "volatile"
              ? "Lines that are not collected yet are lost when the machine restarts." : nil)
        }
      }
      return Check(
        "journal storage", .fail, "no entries of this boot in /var/log/journal or /run/log/journal",
        hint:
          "Tasks have no logs. Is it Storage=none in journald.conf? See `systemd-analyze cat-config systemd/journald.conf`."
      )
    }
  }

  private func journalLimits() async throws -> Check {
    try await self.check("journal limits", .warn) {
      let output = try await self.run("systemd-analyze", "--no-pager", "cat-config", "systemd/journald.conf")
      guard output.result.termination.isSuccess else {
        return Check("journal limits", .warn, self.said(output), hint: "What journald may drop is not known.")
      }
      let settings = Self.assignments(output.standardOutput)
      func setting(_ names: String..., standard: String) -> String {
        names.lazy.compactMap { settings[$0] }.first { !$0.isEmpty } ?? standard
      }
      let interval = setting("RateLimitIntervalSec", "RateLimitInterval", standard: "30s")
      let burst = setting("RateLimitBurst", standard: "10000")
      let level = setting("MaxLevelStore", standard: "debug")
      if !["info", "6", "debug", "7"].contains(level) {
        return Check(
          "journal limits", .warn, "MaxLevelStore=\(level)",
          hint: "What units print has the level info and is dropped: tasks have no logs.")
      }
      if ["0", "0s"].contains(interval) || burst == "0" {
        return Check("journal limits", .ok, "no rate limit")
      }
      let finding = "\(burst) lines in \(interval) of each unit"
      guard let number = Int(burst), number < 1000 else {
        return Check(
          "journal limits", .ok, finding,
          hint:
            "journald drops what is more; LogRateLimitBurst= in a unit raises that (0 does not switch it off)."
        )
      }
      return Check(
        "journal limits", .warn, finding,
        hint:
          "That is few, and journald drops what is more: RateLimitBurst= in journald.conf, LogRateLimitBurst= in a unit."
      )
    }
  }

  // MARK: What else is needed

  private func controlGroups() async throws -> Check {
    try await self.check("cgroup", .warn) {
      let output = try await self.run("cat", "/sys/fs/cgroup/cgroup.controllers")
      guard output.result.termination.isSuccess else {
        return Check(
          "cgroup", .warn, "version 1: \(self.said(output))",
          hint: "Some statistics of tasks may lack, and systemd 258 and later needs version 2.")
      }
      let controllers = String(decoding: output.standardOutput, as: UTF8.self).split(
        whereSeparator: \.isWhitespace
      )
      .map(String.init)
      let finding =
        "version 2 with " + (controllers.isEmpty ? "no controllers" : controllers.joined(separator: " "))
      let missing = ["cpu", "memory", "pids"].filter { !controllers.contains($0) }
      guard !missing.isEmpty else { return Check("cgroup", .ok, finding) }
      return Check(
        "cgroup", .warn, finding,
        hint:
          "Tasks have no statistics of \(missing.joined(separator: ", ")), and limits of these do not hold."
      )
    }
  }

  private func exec() -> Check {
    var configuration = PluginOptions()
    configuration.commandPrefix = self.commandPrefix
    guard let problem = UnitExec.problem(with: configuration) else {
      return Check("exec", .ok, "commands can be run in tasks")
    }
    return Check(
      "exec", .warn, problem,
      hint: "`nomad alloc exec` works on the units' own host, by a plugin that runs as root.")
  }

  // MARK: Units

  private func unit(_ text: String, killTimeout: Duration, defaultStopTimeout: String?) async throws
    -> [Check]
  {
    let unit: UnitName
    do {
      unit = try UnitName(text)
    } catch {
      return [Check("unit", of: text, .fail, "\(error)")]
    }
    do {
      let output = try await self.tool("systemctl").output(
        "show", [unit],
        [
          "--no-pager", "--no-ask-password", "show", "--timestamp=us+utc",
          "--property=" + (UnitStatus.requestedProperties + UnitCheck.properties).joined(separator: ","),
          "--", unit.name,
        ], timeLimit: Self.timeLimit)
      guard let status = try? UnitStatus.parse(output).first else {
        return [
          Check("unit", of: unit.name, .fail, "systemctl show tells nothing: \(DisplayText(output).text)")
        ]
      }
      let triggers = status.triggeredBy.compactMap { try? UnitName($0) }
      let active = try await self.systemctl.listUnits(triggers).filter {
        $0.value.activeState == .active
      }.keys
      return UnitCheck(
        unit, status, activeTriggers: active.map(\.name).sorted(), killTimeout: killTimeout,
        defaultStopTimeout: defaultStopTimeout
      ).checks
    } catch let error as SystemdError {
      return [Check("unit", of: unit.name, .fail, error)]
    }
  }
}

extension SystemdError {
  /// What was attempted and what was answered, without the hint.
  var problem: String {
    let text = self.description
    return text.hasSuffix(self.hint) ? String(text.dropLast(self.hint.count)) : text
  }
}
