import Foundation
import NomadTestSupport
import Processes
import TestHelpers
import Testing

/// The command `check` against a real systemd.
@Suite(.limitedParallelism) struct CheckTests {
  private struct Report: Decodable {
    struct Check: Decodable {
      let unit: String?
      let check: String
      let verdict: String
      let finding: String
      let hint: String?
    }

    let version: Int
    let verdict: String
    let checks: [Check]

    func check(_ name: String, of unit: String? = nil) -> Check? {
      self.checks.first { $0.check == name && $0.unit == unit }
    }
  }

  private func run(_ arguments: String..., as user: [String] = []) async throws -> (
    status: Termination, output: [UInt8]
  ) {
    let words = user + [program, "check"] + arguments
    let output = try await ProcessCommandRunner(logger: quietLogger).run(
      Command(executable: "/usr/bin/env", arguments: words, timeLimit: .seconds(60)))
    return (output.result.termination, output.standardOutput)
  }

  private func report(_ output: [UInt8]) throws -> Report {
    try JSONDecoder().decode(Report.self, from: Data(output))
  }

  @Test(.needsSystemd) func aHostAndAUnit() async throws {
    let unit = try await Units.install("[Service]", "ExecStart=/bin/true")
    let (status, output) = try await self.run("--json", unit)
    let report = try self.report(output)
    #expect(report.version == 1)
    #expect(status == .exited(report.verdict == "ok" ? 0 : 1))
    // The machine decides on controllers, other tests on failed units and on the time of a look.
    for check in report.checks where !["cgroup", "systemd", "systemctl show"].contains(check.check) {
      #expect(check.verdict == "ok", "\(check)")
    }
    #expect(report.check("systemd")?.verdict != "fail")
    #expect(report.check("journal storage")?.finding == "volatile, in /run/log/journal")
    #expect(report.check("load state", of: unit)?.finding == "loaded")
    #expect(report.check("file", of: unit)?.finding == "/run/systemd/system/\(unit)")
    let rights = try await Units.property("LoadState", of: "nomad-driver-systemd-check-of-rights.service")
    #expect(rights == "not-found")
  }

  @Test(.needsSystemd) func aUnitThatNomadWouldNotHaveForItself() async throws {
    let timer = try await Units.install("[Timer]", "OnActiveSec=1d", suffix: "timer")
    let name = timer.replacingOccurrences(of: ".timer", with: "")
    let unit = "\(name).service"
    try Units.write(
      [
        "[Service]", "ExecStart=/bin/sleep infinity", "Restart=always", "KillMode=process",
        "TimeoutStopSec=70",
        "StandardOutput=null", "[Install]", "WantedBy=multi-user.target", "Alias=\(name)-alias.service",
      ], to: unit)
    try await Units.enable(unit)
    try await Units.systemctl("daemon-reload")
    try await Units.systemctl("start", timer)
    let (status, output) = try await self.run("--json", "--kill-timeout", "60", "\(name)-alias")
    #expect(status == .exited(1))
    let report = try self.report(output)
    for name in ["enabled", "restart", "triggers", "stop", "stop timeout", "logs"] {
      #expect(report.check(name, of: "\(unit.dropLast(8))-alias.service")?.verdict == "warn", "\(name)")
    }
    #expect(report.check("triggers", of: "\(name)-alias.service")?.finding == "\(timer) (active)")
    #expect(
      report.check("names", of: "\(name)-alias.service")?.finding == "\(unit), also \(name)-alias.service")
    let long = try self.report(try await self.run("--json", "--kill-timeout", "70", unit).output)
    #expect(long.check("stop timeout", of: unit)?.verdict == "ok")
    try await Units.systemctl("stop", timer)
    try await Units.systemctl("disable", "--runtime", "--quiet", unit)
  }

  @Test(.needsSystemd) func unitsThatCannotBeTasks() async throws {
    let bad = try await Units.make("t-bad")
    let (status, output) = try await self.run("no-such-unit", "t-masked@x", bad, "not a name")
    #expect(status == .exited(2))
    let text = String(decoding: output, as: UTF8.self)
    #expect(text.contains("\nno-such-unit.service\n  fail  load state"))
    #expect(text.contains("\nt-masked@x.service\n  fail  load state"))
    #expect(text.contains("\n\(bad)\n  fail  load state"))
    #expect(text.contains("\nnot a name\n  fail  unit"))
    #expect(text.contains(" 4 fail"))
  }

  @Test(.needsSystemd) func otherTypesOfUnits() async throws {
    let socket = try await Units.install(
      "[Socket]", "ListenStream=/run/NAME.sock", "Accept=yes", suffix: "socket")
    let report = try self.report(
      try await self.run("--json", socket, "system.slice", "multi-user.target").output)
    for unit in [socket, "system.slice", "multi-user.target"] {
      #expect(report.check("load state", of: unit)?.verdict == "ok")
      #expect(report.check("start", of: unit)?.verdict == "ok")
      #expect(report.check("stop timeout", of: unit) == nil)
    }
  }

  @Test(.needsSystemd) func aUserWithoutRights() async throws {
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    let (status, output) = try await self.run("--json", as: nobody)
    #expect(status == .exited(2))
    let report = try self.report(output)
    #expect(report.check("rights")?.verdict == "fail")
    #expect(report.check("journal")?.verdict == "fail")
    // journald of systemd 262 lets everybody wait.
    #expect(report.check("journal sync")?.verdict != "fail")
  }

  @Test(.needsSystemd) func throughAPrefix() async throws {
    let prefix = ["nsenter", "-t", "1", "-m"].flatMap { ["--command-prefix=\($0)"] }
    let words = prefix + ["--json"]
    let output = try await ProcessCommandRunner(logger: quietLogger).run(
      Command(executable: program, arguments: ["check"] + words, timeLimit: .seconds(60)))
    let report = try self.report(output.standardOutput)
    #expect(report.check("systemctl")?.verdict == "ok")
    #expect(report.check("rights")?.verdict == "ok")
    #expect(report.check("exec")?.verdict == "warn")
  }

  @Test func whereThereIsNoSystemd() async throws {
    let (status, output) = try await self.run("--json", "--command-prefix=/bin/false", "web")
    #expect(status == .exited(2))
    let report = try self.report(output)
    #expect(report.verdict == "fail" && report.check("systemctl")?.verdict == "fail")
    #expect(report.check("unit", of: "web")?.verdict == "fail")
  }

  @Test(arguments: [["--kill-timeout", "-1"], ["--command-prefix", ""], ["--nonsense"]])
  func badArguments(arguments: [String]) async throws {
    let output = try await ProcessCommandRunner(logger: quietLogger).run(
      Command(executable: program, arguments: ["check"] + arguments, timeLimit: .seconds(60)))
    #expect(output.result.termination == .exited(64))
    #expect(output.standardOutput.isEmpty)
  }
}
