import Foundation
import NomadPlugin
import NomadTestSupport
import Synchronization
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
      try await eventually("the second line in the log") { allocation.lines.last == "second" }
      try Data().write(to: URL(fileURLWithPath: "/run/\(name).end"))
      _ = try await nomad.calls.waitTask(handle.config.id)
      try await nomad.calls.destroyTask(handle.config.id, force: false)
    }
    let lines = try await allocation.allLines()
    #expect(lines.filter { !$0.hasPrefix(Self.notice) } == ["first", "second", "third"])
    // What came between the first and the second may have been more.
    #expect(lines.count == 4 && lines[1].hasPrefix("\(Self.notice)Lines may be missing here: "))
  }

  /// How lines of the driver's own begin.
  private static let notice = "nomad-driver-systemd: "

  /// Lets the journal be in `/var/log/journal` if that is there, as without any configuration.
  private func withMovableJournal(_ body: () async throws -> Void) async throws {
    let file = "/etc/systemd/journald.conf.d/zz-movable.conf"
    func command(_ script: String) async throws { try await Units.command("sh", "-ec", script) }
    try await command("printf '[Journal]\\nStorage=auto\\n' >\(file); rm -rf /var/log/journal")
    try await Units.systemctl("restart", "systemd-journald.service")
    let result: Result<Void, any Error>
    do {
      result = .success(try await body())
    } catch {
      result = .failure(error)
    }
    try await command("journalctl --relinquish-var; rm -rf \(file) /var/log/journal")
    try await Units.systemctl("restart", "systemd-journald.service")
    try result.get()
  }

  /// Lines go on to come, and each comes once, when the journal moves to `/var/log/journal`, and back to `/run`.
  @Test func theJournalMoves() async throws {
    try await self.withMovableJournal {
      let isPersistent = Mutex(false)
      let lines = try await NumberedLines.run(portion: 10, rounds: 5, after: 200) { _ in
        let moves = isPersistent.withLock { isPersistent in
          isPersistent.toggle()
          return isPersistent
        }
        try FileManager.default.createDirectory(
          atPath: "/var/log/journal", withIntermediateDirectories: true)
        try await Units.command("journalctl", moves ? "--flush" : "--relinquish-var")
      }
      #expect(NumberedLines.areComplete(lines))
    }
  }

  /// It moves there and back before a follower can be known to be blind.
  @Test func theJournalMovesAndComesBack() async throws {
    try await self.withMovableJournal {
      let lines = try await NumberedLines.run(portion: 10, rounds: 3, after: 200) { _ in
        try await Units.command(
          "sh", "-ec",
          "rm -rf /var/log/journal; mkdir /var/log/journal; journalctl --flush; sleep 0.3; journalctl --relinquish-var"
        )
      }
      #expect(NumberedLines.areComplete(lines))
    }
  }

  /// A follower is never told of new entries there (systemd 252).
  @Test func theJournalIsBehindALink() async throws {
    try await self.withMovableJournal {
      try await Units.command("ln", "-s", "/run/log/journal", "/var/log/journal")
      let lines = try await NumberedLines.run(portion: 10, rounds: 3, after: 200) { _ in }
      #expect(NumberedLines.areComplete(lines))
    }
  }

  /// journald removes what the collector has not taken yet.
  @Test func linesThatAreGone() async throws {
    let unit = try await NumberedLines.install(portion: 1000)
    try await Nomad.run { nomad in
      try await nomad.withEvents { events in
        try await nomad.withTask(unit) { task in
          let collector = task.allocation.standardOutput
          try await eventually("lines") { collector.lines.count > 500 }
          collector.pause()
          for _ in 1...3 {
            let before = try await self.lastLine(of: unit)
            try await eventually("far more lines than a file has") {
              try await self.lastLine(of: unit) > before + 100_000
            }
            try await Units.command("journalctl", "--rotate")
            try await Units.command("journalctl", "--vacuum-size=16M")
          }
          collector.resume()
          try Units.go(unit)
          _ = try await task.wait()
          let lines = try await collector.allLines()
          let numbers = lines.compactMap { Int($0) }
          let gaps = zip(numbers, numbers.dropFirst()).filter { $0 + 1 != $1 }
          let notices = lines.indices.filter {
            lines[$0].hasPrefix("\(Self.notice)Lines may be missing here: ")
          }
          #expect(!gaps.isEmpty && gaps.allSatisfy { $0 < $1 })
          // On a busy machine a gap, or the end, was missing without a word now and then (systemd 262, and 252 once).
          withKnownIssue("some losses are not told", isIntermittent: true) {
            #expect(lines.last == "end", "\(lines.suffix(3))")
            #expect(notices.compactMap { Int(lines[$0 - 1]) } == gaps.map(\.0))
          }
          let event = try await events.event(with: "the journal has nothing more of what was logged from")
          #expect(event.annotations["unit"] == unit)
        }
      }
    }
  }

  private func lastLine(of unit: String) async throws -> Int {
    let line = try await Units.command("journalctl", "--unit", unit, "--lines=1", "--output=cat")
    return Int(line.trimmingCharacters(in: .newlines)) ?? 0
  }

  /// journald has not got to the last lines yet when the unit has ended.
  @Test func journaldIsLate() async throws {
    let unit = try await Units.install(
      "[Service]", "LogRateLimitIntervalSec=1s", "LogRateLimitBurst=1000000",
      "ExecStart=/bin/sh -c 'echo first; until test -e /run/NAME.go; do sleep 0.02; done; seq 1 20000; exit 5'"
    )
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        try await eventually("the first line") { task.allocation.lines == ["first"] }
        let journald = try await Units.property("MainPID", of: "systemd-journald.service")
        try await Units.command("kill", "-STOP", journald)
        try Units.go(unit)
        let waiting = Task { try await task.wait() }
        // Longer than a sync was waited for once.
        try? await Task.sleep(for: .seconds(7))
        try await Units.command("kill", "-CONT", journald)
        let exitCode = try await waiting.value.exitCode
        #expect(exitCode == 5)
        let lines = try await task.allocation.allLines()
        #expect(lines.filter { !$0.hasPrefix("systemd[1]: ") } == ["first"] + (1...20_000).map { "\($0)" })
      }
    }
  }
}
