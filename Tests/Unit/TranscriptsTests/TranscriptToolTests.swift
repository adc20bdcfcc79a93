import Processes
import Systemd
import Testing

@testable import Transcripts

/// What the tools say about a transcript.
@Suite struct TranscriptToolTests {
  private func transcript(_ exchanges: [Transcript.Exchange], prefix: [String] = []) -> Transcript {
    Transcript(
      header: TranscriptHeader(
        plugin: "0.1.0", recording: "0a", part: 0, realtime: RealtimeTimestamp(microseconds: 0), uptime: 0,
        bootID: nil, commandPrefix: prefix), exchanges: exchanges)
  }

  private func exchange(
    _ line: String, _ output: String = "", milliseconds: UInt64 = 10, status: Int32 = 0, error: String = "",
    outcome: TranscriptOutcome? = nil
  ) -> Transcript.Exchange {
    let words = line.split(separator: " ").map(String.init)
    return Transcript.Exchange(
      id: 1, start: 1_500_000, command: Command(executable: words[0], arguments: Array(words.dropFirst())),
      output: output.isEmpty ? [] : [Transcript.Chunk(at: 1_500_500, bytes: Array(output.utf8))],
      end: 1_500_000 + milliseconds * 1000,
      outcome: outcome
        ?? .ended(
          CommandResult(termination: .exited(status), standardError: Array(error.utf8), duration: .zero)))
  }

  private func list(
    _ exchanges: [Transcript.Exchange], full: Bool = false, colour: Bool = false,
    _ change: (inout TranscriptListing.Filter) throws -> Void = { _ in }
  ) throws -> [String] {
    var filter = TranscriptListing.Filter()
    try change(&filter)
    var lines: [String] = []
    TranscriptListing(self.transcript(exchanges), filter, isFull: full, isColoured: colour)
      .lines { lines.append($0) }
    return Array(lines.dropFirst(3))
  }

  @Test func aListing() throws {
    let exchanges = [
      self.exchange("/usr/bin/systemctl --version", "systemd 252 (252.38-1)\n"),
      self.exchange("/usr/bin/systemctl --no-pager start -- a.service", status: 1, error: "Job failed.\n"),
      self.exchange(
        "/usr/bin/systemctl show -- a.service", "Type=simple\nId=a.service\nActiveState=failed\nX=y\n"),
      self.exchange(
        "/usr/bin/journalctl --follow",
        #"{"__CURSOR":"s=a","__REALTIME_TIMESTAMP":"1","__MONOTONIC_TIMESTAMP":"1","_BOOT_ID":"ab","MESSAGE":"hello","#
          + #""_PID":"7","SYSLOG_IDENTIFIER":"sh"}"# + "\n", outcome: .cancelled),
    ]
    #expect(
      try self.list(exchanges) == [
        "    1.500000     10.000 ms  ok         /usr/bin/systemctl --version",
        "    1.500500  │ systemd 252 (252.38-1)",
        "    1.500000     10.000 ms  exit 1     /usr/bin/systemctl start -- a.service",
        "    1.510000  ! Job failed.",
        "    1.500000     10.000 ms  ok         /usr/bin/systemctl show -- a.service",
        "    1.500500  │ Id=a.service ActiveState=failed",
        "    1.500000     10.000 ms  ended      /usr/bin/journalctl --follow",
        "    1.500500  │ sh[7]: hello",
      ])
    #expect(try self.list(exchanges, full: true).contains("    1.500500  │ Type=simple"))
    #expect(
      try self.list(exchanges, full: true).contains {
        $0.hasSuffix("/usr/bin/systemctl --no-pager start -- a.service")
      })
    #expect(try self.list(exchanges, colour: true).contains { $0.contains("\u{1b}[31;1mexit 1   \u{1b}[0m") })
  }

  @Test func longOutputIsAbridged() throws {
    let output = (1...10).map { "line \($0)\n" }.joined() + String(repeating: "x", count: 500)
    let lines = try self.list([self.exchange("/bin/x", output)])
    #expect(lines.count == 6 && lines.last == "              │ … 7 more lines")
    #expect(try self.list([self.exchange("/bin/x", output)], full: true).count == 12)
  }

  @Test func filters() throws {
    let exchanges = [
      self.exchange("/usr/bin/systemctl show -- a.service b.service", milliseconds: 200),
      self.exchange("/usr/bin/systemctl start -- b.service", status: 1),
      self.exchange("/usr/bin/journalctl --follow --unit=a.service", milliseconds: 5000, outcome: .cancelled),
      self.exchange("/usr/bin/grep -qF -- Condition /a", status: 1),
      self.exchange(
        "/usr/bin/systemctl x",
        outcome: .failed(.timedOut(Command(executable: "/usr/bin/systemctl"), standardError: ""))),
    ]
    #expect(try self.list(exchanges) { $0.unit = try UnitName("a") }.count == 2)
    #expect(try self.list(exchanges) { $0.unit = try UnitName("b") }.count == 2)
    let failed = try self.list(exchanges) { $0.isFailed = true }
    #expect(failed.filter { $0.contains("/usr/bin/systemctl") }.count == 3 && failed.count == 3)
    #expect(try self.list(exchanges) { $0.slowerThan = .milliseconds(100) }.count == 1)
  }

  private func script(_ transcript: Transcript, changes: Bool = false) -> [String] {
    var lines: [String] = []
    TranscriptScript(transcript, includesChanges: changes).lines { lines.append($0) }
    return lines.filter { $0.contains("/") && !$0.hasPrefix("#!") }
  }

  @Test func aScript() {
    let commands = [
      "/usr/bin/systemctl --no-pager show --property=Id -- a.service",
      "/usr/bin/systemctl start -- a.service",
      "/usr/bin/journalctl --follow --unit=a.service",
    ]
    let transcript = self.transcript(commands.map { self.exchange($0) })
    #expect(
      self.script(transcript) == [commands[0], "# \(commands[1])", "timeout 10 \(commands[2])"])
    #expect(
      self.script(transcript, changes: true) == [commands[0], commands[1], "timeout 10 \(commands[2])"])
  }

  /// A transcript from elsewhere must not make a person run what it likes.
  @Test(
    arguments: [
      "/tmp/systemctl show -- a.service", "/usr/bin/systemctl --host=evil show -- a.service",
      "/usr/bin/systemctl -H evil show -- a.service", "/usr/bin/systemctl show -Hevil -- a.service",
      "/usr/bin/systemctl --root=/x show", "/usr/bin/journalctl --rotate",
      "/usr/bin/journalctl --vacuum-size=1",
      "/usr/bin/journalctl --directory=/x", "/bin/sh -c reboot", "/usr/bin/grep -r x /",
      "/usr/bin/systemctl daemon-reload",
      "/usr/bin/systemctl cancel -- 5", "/usr/bin/systemctl", "/usr/bin/../../tmp/systemctl --version",
    ])
  func onlyPlainQuestionsAreRun(command: String) {
    #expect(self.script(self.transcript([self.exchange(command)])) == ["# \(command)"])
  }

  @Test func nothingIsRunThroughAPrefix() {
    let command = "/usr/bin/ssh -oProxyCommand=reboot x /usr/bin/systemctl --version"
    #expect(
      self.script(
        self.transcript([self.exchange(command)], prefix: ["/usr/bin/ssh", "-oProxyCommand=reboot", "x"]))
        == ["# \(command)"])
  }

  private func differences(_ first: [Transcript.Exchange], _ second: [Transcript.Exchange]) -> [String] {
    TranscriptComparison(self.transcript(first), self.transcript(second)).differences.flatMap { difference in
      ["\(difference.command)"] + difference.first.map { "- \($0)" } + difference.second.map { "+ \($0)" }
    }
  }

  /// Which of the units are asked about by one command is chance, and whose state is whose is not.
  @Test func aComparisonOfSeveralUnits() {
    func show(_ units: String, _ output: String) -> Transcript.Exchange {
      self.exchange("/usr/bin/systemctl show -- \(units)", output)
    }
    let a = "Id=a.service\nActiveState=active\n"
    let b = "Id=b.service\nActiveState=failed\n"
    let together = [show("a.service b.service", "\(a)\n\(b)")]
    #expect(self.differences(together, [show("a.service", a), show("b.service", b)]) == [])
    let swapped = ["active", "failed"].map { state in "ActiveState=\(state)\n" }
    let other = [
      show("a.service b.service", "Id=a.service\n\(swapped[1])\nId=b.service\n\(swapped[0])")
    ]
    let command = "/usr/bin/systemctl show -- a.service b.service"
    #expect(
      self.differences(together, other) == [
        command, "- ActiveState=active", "+ ActiveState=failed",
        command, "- ActiveState=failed", "+ ActiveState=active",
      ])
  }

  @Test func aComparison() {
    let show = "/usr/bin/systemctl show -- a.service"
    let first = [
      self.exchange("/usr/bin/systemctl --version", "systemd 252\n"),
      self.exchange(show, "ActiveState=active\nMainPID=5\nActiveEnterTimestamp=yesterday\nInvocationID=a\n"),
      self.exchange(show, "ActiveState=inactive\nMainPID=0\n"),
      self.exchange("/usr/bin/systemctl start -- a.service"),
      self.exchange("/usr/bin/journalctl --since=@1.000000 --unit=a.service", "x\n", outcome: .cancelled),
    ]
    #expect(self.differences(first, first) == [])
    let second = [
      self.exchange("/bin/systemctl --version", "systemd 257\n"),
      self.exchange(show, "ActiveState=active\nMainPID=6\nActiveEnterTimestamp=today\nInvocationID=b\n"),
      self.exchange(show, "ActiveState=failed\n"),
      self.exchange("/usr/bin/journalctl --since=@2.000000 --unit=a.service", "x\n"),
      self.exchange("/usr/bin/systemctl reset-failed -- a.service", status: 1, error: "no\n"),
    ]
    #expect(
      self.differences(first, second) == [
        "/usr/bin/systemctl --version", "- systemd 252", "+ systemd 257",
        show, "- ActiveState=inactive", "+ ActiveState=failed",
        "/usr/bin/systemctl start -- a.service", "- (only here, 1×)",
        "/usr/bin/journalctl --since=@1.000000 --unit=a.service", "+ status: ok",
        "/usr/bin/systemctl reset-failed -- a.service", "+ (only here, 1×)",
      ])
  }
}
