import Foundation
import NomadPlugin
import Systemd
import TestSupport
import Testing

/// What becomes of a task's lines when something happens to the host's whole journal: in a module of their own, since it
/// happens to the lines of all other tests as well.
@Suite(
  .serialized,
  .enabled(
    if: ProcessInfo.processInfo.environment["INTEGRATION_SYSTEMD"] == "1",
    "needs root and a private host: make test starts one where that is possible"))
struct JournalTests {
  /// A unit that prints numbers until a file is there; then the last one and `end`.
  private func numbers() async throws -> String {
    try await Units.install(
      "[Service]", "LogRateLimitIntervalSec=1s", "LogRateLimitBurst=1000000",
      "ExecStart=/bin/bash -c 'i=0; until test -e /run/NAME.go; do seq $((i+1)) $((i+10)); i=$((i+10)); sleep 0.01; done; "
        + "echo end'")
  }

  private func end(_ unit: String) throws {
    try Data().write(
      to: URL(fileURLWithPath: "/run/\(unit.replacingOccurrences(of: ".service", with: "")).go"))
  }

  private func isComplete(_ lines: [String]) -> Bool {
    lines.last == "end" && lines.count > 1
      && lines.dropLast().enumerated().allSatisfy { $0.element == "\($0.offset + 1)" }
  }

  @Test func rotationAndVacuuming() async throws {
    let unit = try await self.numbers()
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        for _ in 1...5 {
          let count = task.allocation.lines.count
          try await eventually("lines") { task.allocation.lines.count > count + 200 }
          try await Units.command("journalctl", "--rotate")
          try await Units.command("journalctl", "--vacuum-files=3")
        }
        try self.end(unit)
        _ = try await task.wait()
        let lines = try await task.allocation.allLines()
        #expect(self.isComplete(lines))
      }
    }
  }

  @Test func aRestartOfJournald() async throws {
    let unit = try await self.numbers()
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        for _ in 1...3 {
          let count = task.allocation.lines.count
          try await eventually("lines") { task.allocation.lines.count > count + 200 }
          try await Units.systemctl("restart", "systemd-journald.service")
        }
        try self.end(unit)
        _ = try await task.wait()
        let lines = try await task.allocation.allLines()
        #expect(self.isComplete(lines))
      }
    }
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
    try Data().write(to: URL(fileURLWithPath: "/run/\(name).go"))
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
