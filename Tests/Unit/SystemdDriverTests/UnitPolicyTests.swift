import MessagePack
import NomadPlugin
import Systemd
import Testing

@testable import SystemdDriver

@Suite struct UnitPolicyTests {
  private func policy(_ options: MessagePackValue) throws -> UnitPolicy {
    try PluginOptions(
      PluginConfiguration(messagePack: try MessagePackEncoder().encode(options), agent: AgentConfiguration())
    ).policy
  }

  private func task(_ namespace: String, _ job: String) -> TaskConfig {
    var task = TaskConfig(id: "x")
    task.namespace = namespace
    task.jobID = job
    return task
  }

  /// What jobs may have, by the options: each row a unit, its aliases, the namespace and job, and why it is refused.
  @Test(
    arguments: [
      ([:], "web.service", [], "default", "web", nil),
      ([:], "ssh.service", [], "default", "web", "protected"),
      ([:], "web.service", ["ssh.service"], "default", "web", "its alias ssh.service is protected"),
      ([:], #"system-serial\x2dgetty.slice"#, [], "default", "web", "protected"),
      ([:], "dev-sda1.device", [], "default", "web", "protected"),
      ([:], "dev-sda2.swap", [], "default", "web", "protected"),
      ([:], "web.slice", [], "default", "web", nil),
      (["unprotected_units": ["ssh.*"]], "ssh.service", [], "default", "web", nil),
      (["unprotected_units": ["ssh.*"]], "ssh.service", ["sshd.service"], "default", "web", "sshd.service"),
      (["unprotected_units": ["*"]], "-.mount", [], "default", "web", nil),
      (["denied_units": ["db*"]], "db.service", [], "default", "web", "denied_units"),
      (["denied_units": ["db*"]], "web.service", ["db.service"], "default", "web", "its alias db.service"),
      (["denied_units": ["db*"]], "web.service", ["mydb.service"], "default", "web", nil),
      (
        ["denied_units": ["ssh.*"], "unprotected_units": ["*"]], "ssh.service", [], "default", "web",
        "denied_units"
      ),
      (["allowed_units": ["web*", "a.timer"]], "web@1.service", [], "default", "web", nil),
      (["allowed_units": ["web*", "a.timer"]], "a.timer", [], "default", "web", nil),
      (["allowed_units": ["web*", "a.timer"]], "a.service", [], "default", "web", "allowed_units"),
      (["allowed_units": ["web*"]], "db.service", ["web.service"], "default", "web", "allowed_units"),
      (
        ["allowed_units": ["web*"], "denied_units": ["*-x.service"]], "web-x.service", [], "default", "web",
        "denied"
      ),
      (["allowed_units": ["ssh.service"]], "ssh.service", [], "default", "web", "protected"),
      (["allowed_units": []], "web.service", [], "default", "web", "allowed_units"),
      (["allowed_units": ["web-[ab].service"]], "web-b.service", [], "default", "web", nil),
      (["allowed_units": ["web-[ab].service"]], "web-c.service", [], "default", "web", "allowed_units"),
      (["allowed_units": [#"a\x2db.service"#]], #"a\x2db.service"#, [], "default", "web", nil),
      (["allowed_unit_types": ["service", "timer"]], "web.timer", [], "default", "web", nil),
      (
        ["allowed_unit_types": ["service", "timer"]], "web.socket", [], "default", "web", "allowed_unit_types"
      ),
      (["allowed_unit_types": []], "web.service", [], "default", "web", "allowed_unit_types"),
      (
        ["policy": [["namespace": "team-a", "allowed_units": ["a-*"]]]], "a-1.service", [], "team-a", "x", nil
      ),
      (
        ["policy": [["namespace": "team-a", "allowed_units": ["a-*"]]]], "b.service", [], "team-a", "x",
        "policy"
      ),
      (["policy": [["namespace": "team-a", "allowed_units": ["a-*"]]]], "b.service", [], "team-b", "x", nil),
      (
        ["policy": [["namespace": "team-?", "allowed_units": ["a-*"]]]], "b.service", [], "team-b", "x",
        "policy"
      ),
      (["policy": [["job": "web/*", "allowed_units": ["a-*"]]]], "a-1.service", [], "any", "web/1", nil),
      (["policy": [["job": "web/*", "allowed_units": ["a-*"]]]], "b.service", [], "any", "web/1", "policy"),
      (["policy": [["job": "web/*", "allowed_units": ["a-*"]]]], "b.service", [], "any", "web", nil),
      (
        ["policy": [["namespace": "a", "allowed_units": ["a-*"]], ["allowed_units": ["c-*"]]]], "c-1.service",
        [],
        "a", "x", nil
      ),
      (
        ["policy": [["namespace": "a", "allowed_units": ["a-*"]], ["allowed_units": []]]], "a-1.service", [],
        "b",
        "x", "policy"
      ),
      (
        ["allowed_units": ["x-*"], "policy": [["allowed_units": ["a-*"]]]], "a-1.service", [], "b", "x",
        "allowed_units"
      ),
    ] as [(MessagePackValue, String, [String], String, String, String?)])
  func whatJobsMayHave(
    options: MessagePackValue, unit: String, aliases: [String], namespace: String, job: String,
    reason: String?
  ) throws {
    let refusal = try self.policy(options).refusal(
      of: try UnitName(unit), aliases: aliases, to: self.task(namespace, job))
    #expect((refusal == nil) == (reason == nil), "\(refusal ?? "not refused")")
    if let reason { #expect(refusal?.contains(reason) == true, "\(refusal ?? "not refused")") }
  }

  @Test(arguments: [
    "init.scope", "-.mount", "-.slice", "system.slice", "systemd-journald.service", "systemd-journald.socket",
    "systemd-logind.service", "systemd-networkd.service", "systemd-resolved.service", "systemd-udevd.service",
    "dbus.service", "dbus.socket", "dbus-broker.service", "dbus-org.freedesktop.login1.service",
    "ssh.service",
    "sshd.service", "ssh.socket", "ssh@1.service", "user@1000.service", "getty@tty1.service", "reboot.target",
    "poweroff.target", "rescue.target", "emergency.target", "multi-user.target", "graphical.target",
    "sysinit.target", "nomad.service", "mine.service", "mine.slice",
  ])
  func protected(unit: String) throws {
    var policy = UnitPolicy()
    policy.ownUnits = ["mine.service", "mine.slice"]
    #expect(policy.refusal(of: try UnitName(unit), to: TaskConfig(id: "x")) != nil)
  }

  @Test(arguments: [
    "web.service", "run-1.service", "srv-data.mount", "my.target", "usr.service", "nomad-x.service",
  ])
  func notProtected(unit: String) throws {
    #expect(UnitPolicy().refusal(of: try UnitName(unit), to: TaskConfig(id: "x")) == nil)
  }

  @Test(
    arguments: [
      (["denied_units": ["db"]], "denied_units"), (["allowed_units": [""]], "allowed_units"),
      (["allowed_units": ["service"]], "allowed_units"), (["allowed_units": ["a.servic"]], "allowed_units"),
      (["unprotected_units": ["a b"]], "unprotected_units"), (["allowed_units": "a*"], "allowed_units"),
      (["allowed_unit_types": ["daemon"]], "allowed_unit_types"),
      (["policy": [["allowed_units": ["x"]]]], "policy"),
      (["policy": [[:]]], "policy"), (["policy": ["x"]], "policy"),
      (["denied_units": ["web@.service"]], "denied_units"), (["allowed_units": ["*@.*"]], "allowed_units"),
    ] as [(MessagePackValue, String)])
  func refusedOptions(options: MessagePackValue, attribute: String) {
    let error = #expect(throws: ConfigurationError.self) { try self.policy(options) }
    #expect(error?.description.contains(attribute) == true)
  }

  @Test(
    arguments: [
      ("0::/nomad.slice/nomad.service\n", ["nomad.slice", "nomad.service"]),
      ("0::/system.slice/nomad.service/sub/x.service\n", ["system.slice", "nomad.service"]),
      ("0::/../..\n", []), ("0::/\n", []), ("", []), ("0::/init.scope", ["init.scope"]),
      (
        "12:pids:/user.slice/user-0.slice/session-1.scope\n1:name=systemd:/a.slice\n0::/",
        ["user.slice", "user-0.slice", "session-1.scope", "a.slice"]
      ),
    ])
  func unitsOfAProcess(text: String, expected: [String]) {
    #expect(ProtectedUnits.names(inControlGroups: text) == Set(expected))
  }
}
