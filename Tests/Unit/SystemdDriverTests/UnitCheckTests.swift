import Systemd
import Testing

@testable import SystemdDriver

/// What a unit would be as a task.
@Suite struct UnitCheckTests {
  private static let service = [
    "Id": "x.service", "Names": "x.service", "LoadState": "loaded", "ActiveState": "inactive",
    "SubState": "dead",
    "Result": "success", "FragmentPath": "/etc/systemd/system/x.service", "UnitFileState": "disabled",
    "Type": "simple", "Restart": "no", "KillMode": "control-group", "TimeoutStopUSec": "1min 30s",
    "StandardOutput": "journal", "SendSIGKILL": "yes", "RefuseManualStart": "no", "RefuseManualStop": "no",
    "NeedDaemonReload": "no", "RemainAfterExit": "no",
  ]

  private func checks(
    _ properties: [String: String] = [:], of unit: String = "x", activeTriggers: [String] = [],
    killTimeout: Int = 5
  ) throws -> [Check] {
    UnitCheck(
      try UnitName(unit), try UnitStatus(properties: Self.service.merging(properties) { $1 }),
      activeTriggers: activeTriggers, killTimeout: .seconds(killTimeout), defaultStopTimeout: "1min 30s"
    ).checks
  }

  @Test func allIsWell() throws {
    let checks = try self.checks()
    #expect(checks.allSatisfy { $0.verdict == .ok && $0.unit == "x.service" }, "\(checks)")
    #expect(
      checks.map(\.name) == [
        "load state", "file", "enabled", "state", "start", "restart", "triggers", "stop", "stop timeout",
        "logs",
      ])
  }

  @Test(
    arguments: [
      (["LoadState": "not-found"], "load state", .fail, "daemon-reload"),
      (["LoadState": "masked"], "load state", .fail, "systemctl unmask x.service"),
      (["LoadState": "bad-setting"], "load state", .fail, "systemd-analyze verify x.service"),
      (["LoadState": "error"], "load state", .fail, "systemd-analyze verify"),
      (["NeedDaemonReload": "yes"], "load state", .warn, "daemon-reload"),
      (["FragmentPath": ""], "file", .warn, "by a program"),
      (["UnitFileState": "enabled"], "enabled", .warn, "systemctl disable x.service"),
      (["UnitFileState": "enabled-runtime"], "enabled", .warn, "systemctl disable"),
      (["ActiveState": "active", "SubState": "running"], "state", .ok, "on_active"),
      (["ActiveState": "failed", "Result": "exit-code"], "state", .warn, "reset-failed"),
      (["RefuseManualStart": "yes"], "start", .fail, "requires it"),
      (["RemainAfterExit": "yes"], "start", .ok, "until it is stopped"),
      (["Restart": "always"], "restart", .warn, "attempts = 0"),
      (["TriggeredBy": "x.timer x.socket"], "triggers", .ok, "Once active"),
      (["UpheldBy": "y.service"], "triggers", .warn, "again and again"),
      (["RefuseManualStop": "yes"], "stop", .fail, "requires it"),
      (["KillMode": "process"], "stop", .warn, "outlive"),
      (["KillMode": "none"], "stop", .warn, "outlive"),
      (["SendSIGKILL": "no"], "stop", .warn, "kill_timeout"),
      (["TimeoutStopUSec": "1min 30s"], "stop timeout", .ok, "not systemd's default"),
      (["TimeoutStopUSec": "6s"], "stop timeout", .warn, "killed after 5s"),
      (["TimeoutStopUSec": "infinity"], "stop timeout", .warn, "killed after 5s"),
      (["TimeoutStopUSec": "4s"], "stop timeout", .warn, "systemd kills it after 4s"),
      (["LogLevelMax": "5"], "log level", .warn, "how it ended"),
      (["StandardOutput": "null"], "logs", .warn, "neither to the journal"),
      (["StandardOutput": "append:/x"], "logs", .warn, "neither to the journal"),
      (["LogNamespace": "n"], "logs", .warn, "journal of their own"),
    ] as [([String: String], String, Check.Verdict, String)])
  func whatIsToBeKnown(properties: [String: String], name: String, verdict: Check.Verdict, hint: String)
    throws
  {
    let checks = try self.checks(properties)
    let check = try #require(checks.first { $0.name == name })
    #expect(check.verdict == verdict, "\(check)")
    #expect(check.hint?.contains(hint) == true, "\(check)")
    #expect(checks.allSatisfy { $0.name == name || $0.verdict == .ok }, "\(checks)")
  }

  @Test(arguments: ["not-found", "masked", "bad-setting", "error"])
  func aUnitThatIsNotLoadedHasNoMoreChecks(state: String) throws {
    #expect(try self.checks(["LoadState": state]).count == 1)
  }

  @Test func activeTriggersStartIt() throws {
    let check = try #require(
      try self.checks(["TriggeredBy": "x.timer x.socket"], activeTriggers: ["x.timer"]).first {
        $0.name == "triggers"
      })
    #expect(check.verdict == .warn && check.finding == "x.timer (active) x.socket")
  }

  @Test func theKillTimeoutDecides() throws {
    func verdict(_ timeout: String, _ killTimeout: Int) throws -> Check.Verdict? {
      try self.checks(["TimeoutStopUSec": timeout], killTimeout: killTimeout).first {
        $0.name == "stop timeout"
      }?.verdict
    }
    #expect(try verdict("20s", 20) == .ok)
    #expect(try verdict("20s", 19) == .warn)
    #expect(try verdict("20s", 21) == .warn)
    #expect(try verdict("1min 30s", 600) == .warn)
  }

  @Test func aliasesAreNamed() throws {
    let checks = try self.checks(["Names": "x.service y.service"], of: "y")
    #expect(checks.contains { $0.name == "names" && $0.finding == "x.service, also y.service" })
    #expect(checks.allSatisfy { $0.unit == "y.service" })
  }

  @Test(arguments: [
    ("simple", "at once"), ("idle", "at once"), ("exec", "executed"), ("oneshot", "until it ends"),
    ("notify", "READY=1, or after 3 s"), ("notify-reload", "READY=1"), ("dbus", "bus name"),
    ("forking", "first process"),
    ("anything newer", "start job"),
  ])
  func howAStartIsAnswered(type: String, answer: String) throws {
    let check = try #require(try self.checks(["Type": type]).first { $0.name == "start" })
    #expect(check.finding.hasPrefix("Type=\(type): ") && check.finding.contains(answer))
  }

  @Test func otherTypesOfUnitsHaveNoProcesses() throws {
    let timer = ["Id": "x.timer", "Names": "x.timer", "LoadState": "loaded", "ActiveState": "inactive"]
    let checks = UnitCheck(
      try UnitName("x.timer"), try UnitStatus(properties: timer), activeTriggers: [],
      killTimeout: .seconds(5),
      defaultStopTimeout: nil
    ).checks
    #expect(checks.map(\.name) == ["load state", "file", "state", "start", "triggers"])
    let scope = UnitCheck(
      try UnitName("x.scope"), try UnitStatus(properties: timer), activeTriggers: [],
      killTimeout: .seconds(5),
      defaultStopTimeout: nil
    ).checks
    #expect(scope.contains { $0.name == "start" && $0.verdict == .warn })
  }
}
