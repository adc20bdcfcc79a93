import TestHelpers
import Testing

@testable import SystemdDriver

/// The checks of a host, against commands that answer as on a host where all is well, apart from what a test says.
@Suite struct HostCheckTests {
  private static let missing = "nomad-driver-systemd-check-of-rights.service"
  private static let wellDone: [(part: String, answer: ScriptedRunner.Answer)] = [
    ("systemctl --version", .output("systemd 252 (252.38-1)\n+PAM\n")),
    ("journalctl --version", .output("systemd 252 (252.38-1)\n+PAM\n")),
    ("is-system-running", .output("running\n")),
    (
      "Version,DefaultTimeoutStopUSec",
      .output("Version=252.38-1\nDefaultTimeoutStopUSec=1min 30s\nLogLevel=info\n")
    ),
    (
      " stop -- ",
      .output(standardError: "Failed to stop \(missing): Unit \(missing) not loaded.\n", status: 5)
    ),
    (
      " start -- ",
      .output(standardError: "Failed to start \(missing): Unit \(missing) not found.\n", status: 5)
    ),
    (missing, .output("Id=\(missing)\nLoadState=not-found\n", duration: .milliseconds(7))),
    ("_PID=1", .output("Started something.\n")),
    ("--sync", .output()),
    ("--directory=/var/log/journal", .output("Started something.\n")),
    ("cat-config", .output("# /etc/systemd/journald.conf\n[Journal]\n#RateLimitBurst=1\n")),
    ("cgroup.controllers", .output("cpuset cpu io memory pids\n")),
    (
      " web.service",
      .output(
        "Id=web.service\nNames=web.service\nLoadState=loaded\nActiveState=inactive\nTriggeredBy=web.timer\n"
      )
    ),
    ("web.timer", .output("web.timer loaded active waiting A timer\n")),
  ]

  private func checks(
    _ part: String? = nil, _ answer: ScriptedRunner.Answer = .output(), prefix: [String] = [],
    units: [String] = []
  ) async throws -> [Check] {
    let differing = part.map { [(part: $0, answer: answer)] } ?? []
    return try await HostCheck(
      runner: ScriptedRunner(differing + Self.wellDone), commandPrefix: prefix
    ).run(units, killTimeout: .seconds(5))
  }

  @Test func allIsWell() async throws {
    let checks = try await self.checks()
    #expect(checks.allSatisfy { $0.verdict == .ok && $0.unit == nil }, "\(checks)")
    #expect(
      checks.map(\.name) == [
        "systemctl", "journalctl", "systemd", "log level", "rights", "systemctl show", "journal",
        "journal sync",
        "journal storage",
        "journal limits", "cgroup", "exec",
      ])
    #expect(checks.first { $0.name == "systemctl show" }?.finding == "takes 7 ms")
    #expect(checks.first { $0.name == "journal limits" }?.finding == "10000 lines in 30s of each unit")
  }

  @Test(
    arguments: [
      ("systemctl --version", .output("systemd 246 (246)\n"), "systemctl", .fail, "247 or later"),
      ("systemctl --version", .output("GNU coreutils\n"), "systemctl", .fail, "version"),
      ("journalctl --version", .output("systemd 253 (253)\n"), "journalctl", .warn, "half done"),
      ("is-system-running", .output("degraded\n", status: 1), "systemd", .warn, "--failed"),
      ("is-system-running", .output("starting\n", status: 1), "systemd", .warn, "list-jobs"),
      ("is-system-running", .output("offline\n", status: 1), "systemd", .fail, "PID 1"),
      (
        "is-system-running",
        .output(standardError: "Failed to connect to bus: No such file or directory\n", status: 1),
        "systemd",
        .fail, "D-Bus"
      ),
      ("Version,Default", .output("Version=252\nLogLevel=notice\n"), "log level", .warn, "log-level info"),
      ("Version,Default", .output("Version=257~rc1-1\n"), "systemd", .warn, "daemon-reexec"),
      (
        " stop -- ",
        .output(standardError: "Failed to stop x.service: Interactive authentication required.\n", status: 1),
        "rights", .fail, "polkit"
      ),
      (
        " start -- ", .output(standardError: "Failed to start x.service: Access denied\n", status: 4),
        "rights", .fail,
        "polkit"
      ),
      (" start -- ", .output(), "rights", .fail, "not found"),
      (missing, .output("Id=\(missing)\n", duration: .seconds(1)), "systemctl show", .warn, "later"),
      (
        "_PID=1",
        .output(standardError: "No journal files were opened due to insufficient permissions.\n", status: 1),
        "journal",
        .fail, "systemd-journal"
      ),
      ("_PID=1", .output(), "journal", .warn, "systemd-journal"),
      (
        "--sync", .output(standardError: "Failed to connect: Permission denied\n", status: 1), "journal sync",
        .warn,
        "root"
      ),
      (
        "--directory", .output(standardError: "No journal files were found.\n", status: 1), "journal storage",
        .fail,
        "Storage="
      ),
      (
        "cat-config", .output("RateLimitBurst=100\nMaxLevelStore=debug\n"), "journal limits", .warn,
        "few"
      ),
      ("cat-config", .output("MaxLevelStore = notice\n"), "journal limits", .warn, "dropped"),
      (
        "cat-config", .output(standardError: "No such file\n", status: 1), "journal limits", .warn,
        "not known"
      ),
      ("cgroup.controllers", .output("cpu\n"), "cgroup", .warn, "memory, pids"),
      (
        "cgroup.controllers", .output(standardError: "cat: No such file\n", status: 1), "cgroup", .warn,
        "version 2"
      ),
    ] as [(String, ScriptedRunner.Answer, String, Check.Verdict, String)])
  private func somethingIsWrong(
    part: String, answer: ScriptedRunner.Answer, name: String, verdict: Check.Verdict, hint: String
  ) async throws {
    let checks = try await self.checks(part, answer)
    let check = try #require(checks.first { $0.name == name })
    #expect(check.verdict == verdict, "\(check)")
    #expect(check.hint?.contains(hint) == true, "\(check)")
  }

  @Test func journalsOtherStorageAndLimits() async throws {
    var checks = try await HostCheck(
      runner: ScriptedRunner(
        [("/var/log/journal", .output(status: 1)), ("/run/log/journal", .output("x\n"))]
          + Self.wellDone)
    ).run([], killTimeout: .zero)
    #expect(checks.contains { $0.finding == "volatile, in /run/log/journal" && $0.verdict == .ok })
    // The last assignment counts, an empty one is the default again.
    checks = try await self.checks(
      "cat-config",
      .output("[Journal]\nRateLimitBurst=5\nRateLimitBurst=2000\nRateLimitIntervalSec=1min\n"))
    #expect(checks.contains { $0.finding == "2000 lines in 1min of each unit" && $0.verdict == .ok })
    checks = try await self.checks("cat-config", .output("RateLimitIntervalSec=0\n"))
    #expect(checks.contains { $0.finding == "no rate limit" })
  }

  @Test func whatExecNeedsIsNamed() async throws {
    let exec = try #require(try await self.checks(prefix: ["/bin/prefix"]).last)
    #expect(exec.name == "exec" && exec.verdict == .warn)
    #expect(exec.finding.contains("command_prefix") && exec.hint?.contains("root") == true)
  }

  @Test func noUnitIsCheckedIfSystemdDoesNotAnswer() async throws {
    let checks = try await self.checks(
      "systemctl", .output(standardError: "Failed to connect to bus\n", status: 1), units: ["web"])
    #expect(checks.last == Check("unit", of: "web", .fail, "not checked: systemd does not answer"))
    #expect(!checks.contains { $0.name == "rights" })
  }

  @Test func throughAPrefixExecSaysSo() async throws {
    let checks = try await self.checks(prefix: ["/usr/bin/env"])
    #expect(checks.last?.name == "exec" && checks.last?.verdict == .warn)
    // The other system looks the names up.
    #expect(checks.first?.finding == "systemctl, version 252.38-1")
  }

  @Test func unitsAreCheckedByTheirNames() async throws {
    let checks = try await self.checks(units: ["web", "a/b"]).filter { $0.unit != nil }
    #expect(checks.first == Check("load state", of: "web.service", .ok, "loaded"))
    #expect(
      checks.contains { $0.name == "triggers" && $0.verdict == .warn && $0.finding == "web.timer (active)" })
    #expect(checks.last?.unit == "a/b" && checks.last?.verdict == .fail)
  }

  @Test func whatProgramsSayCannotReachTheTerminal() async throws {
    let check = try #require(
      try await self.checks("cat-config", .output("RateLimitBurst=\u{1b}[2J\r1\u{202e}\n")).first {
        $0.name == "journal limits"
      })
    #expect(check.finding.unicodeScalars.allSatisfy { $0.value >= 32 && $0.value != 0x202e })
  }
}
