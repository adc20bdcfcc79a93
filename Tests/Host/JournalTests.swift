import NomadPlugin
import Foundation
import NomadTestSupport
import TestHelpers
import Testing

/// What becomes of a task's lines when something happens to the host's whole journal.
extension HostTests {
  @Test func rotationAndVacuuming() async throws {
    let lines = try await NumberedLines.run(portion: 10, rounds: 5, after: 200) { _ in
      try await Units.command("journalctl", "--rotate")
      try await Units.command("journalctl", "--vacuum-files=3")
    }
    #expect(NumberedLines.areComplete(lines))
  }

  @Test func aRestartOfJournald() async throws {
    let lines = try await NumberedLines.run(portion: 10, rounds: 3, after: 200) { _ in
      try await Units.systemctl("restart", "systemd-journald.service")
    }
    #expect(NumberedLines.areComplete(lines))
  }

  /// The journal that the last delivered line was in is gone when the task is recovered: no line that is left is lost.
  @Test func theJournalOfTheCursorIsGone() async throws {
    let unit = try await Units.install(
      "[Service]",
      "ExecStart=/bin/sh -c 'echo first; until test -e /run/NAME.go; do sleep 0.02; done; echo second; "
        + "until test -e /run/NAME.end; do sleep 0.02; done; echo third'")
    let name = unit.replacingOccurrences(of: ".service", with: "")
    let allocation = try Allocation(unit: unit)
    defer { allocation.remove() }
    let handle = try await Nomad.run { nomad in
      let handle = try await nomad.calls.startTask(allocation.config)
      try await eventually("the first line") { allocation.lines == ["first"] }
      return handle
    }
    try await Units.command("journalctl", "--rotate")
    try Units.go(unit)
    try await eventually("the second line") {
      try await Units.command("journalctl", "--unit", unit, "--output=cat").contains("second")
    }
    try await eventually("the end of the first journal") {
      try await Units.command("journalctl", "--vacuum-time=1s")
      return try await !Units.command("journalctl", "--unit", unit, "--output=cat").contains("first")
    }
    try await Nomad.run { nomad in
      try await nomad.calls.recoverTask(handle)
      try await eventually("the second line in the log") { allocation.lines == ["first", "second"] }
      try Data().write(to: URL(fileURLWithPath: "/run/\(name).end"))
      _ = try await nomad.calls.waitTask(handle.config.id)
      try await nomad.calls.destroyTask(handle.config.id, force: false)
    }
    #expect(try await allocation.allLines() == ["first", "second", "third"])
  }
}
