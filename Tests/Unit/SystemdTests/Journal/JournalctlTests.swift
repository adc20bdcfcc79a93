import Processes
import TestHelpers
import Testing

@testable import Systemd

@Suite struct JournalctlTests {
  private let web: UnitName

  init() throws {
    self.web = try UnitName("web")
  }

  private func journalctl(_ runner: ScriptedRunner) -> Journalctl {
    Journalctl(runner: runner, path: "/usr/bin/journalctl", logger: quietLogger)
  }

  private static let fields =
    "MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,_PID,_TRANSPORT,UNIT,MESSAGE_ID,INVOCATION_ID,JOB_RESULT,JOB_TYPE,UNIT_RESULT,"
    + "EXIT_CODE,EXIT_STATUS,COMMAND"

  private static func line(_ index: Int, _ message: String) -> String {
    "{\"__CURSOR\":\"s=a;i=\(index)\",\"__REALTIME_TIMESTAMP\":\"\(index)\",\"__MONOTONIC_TIMESTAMP\":\"1\","
      + "\"_BOOT_ID\":\"b\",\"MESSAGE\":\"\(message)\"}\n"
  }

  @Test(
    arguments: [
      (.beginning, ""),
      (.since(RealtimeTimestamp(microseconds: 1_732_294_300_000_042)), " --since=@1732294300.000042"),
      (JournalCursor("s=a1;i=2").map { .after($0) } ?? .beginning, " '--cursor=s=a1;i=2'"),
    ] as [(JournalPosition, String)])
  func followIsACommandLine(position: JournalPosition, option: String) async throws {
    let runner = ScriptedRunner(.output(""))
    await #expect(throws: SystemdError.self) {
      try await self.journalctl(runner).follow([self.web], after: position) { _ in }
    }
    #expect(
      runner.lines == [
        "journalctl --no-pager --follow --no-tail --output=json --all --output-fields=\(Self.fields),"
          + "_SYSTEMD_UNIT,_SYSTEMD_INVOCATION_ID,_STREAM_ID --unit=web.service\(option)"
      ])
    #expect(runner.commands.first?.timeLimit == .some(nil))
  }

  @Test func whatTheManagerSaysIsMatchedByTheUnitsThatItIsAbout() async throws {
    let runner = ScriptedRunner(.output(""), .output(""))
    let units = [web, try UnitName("a.socket")]
    let position = JournalPosition.after(try #require(JournalCursor("s=a1;i=2")))
    await #expect(throws: SystemdError.self) {
      try await journalctl(runner).follow(units, .manager, after: position, .line) { _ in }
    }
    try await journalctl(runner).read([web], .manager, after: .beginning, .line) { _ in }
    #expect(
      runner.lines == [
        "journalctl --no-pager --follow --no-tail --output=json --all --output-fields=\(Self.fields) "
          + "'--cursor=s=a1;i=2' _PID=1 UNIT=web.service UNIT=a.socket",
        "journalctl --no-pager --boot --quiet --output=json --all --output-fields=\(Self.fields) _PID=1 UNIT=web.service",
      ])
  }

  @Test func severalUnitsAndTheFieldsThatAreNeeded() async throws {
    let runner = ScriptedRunner(.output(""), .output(""))
    let units = [self.web, try UnitName("a.socket")]
    try await self.journalctl(runner).read(units, after: .beginning, .line) { _ in }
    try await self.journalctl(runner).read(units, after: .beginning, .complete) { _ in }
    #expect(
      runner.lines == [
        "journalctl --no-pager --boot --quiet --output=json --all --output-fields=\(Self.fields) "
          + "--unit=web.service --unit=a.socket",
        "journalctl --no-pager --boot --quiet --output=json --all --unit=web.service --unit=a.socket",
      ])
  }

  @Test(arguments: [(2, ["c"]), (1, ["b", "c"])])
  func theEntryOfTheCursorIsPassedOverAndNoOther(index: Int, expected: [String]) async throws {
    let lines = [Self.line(2, "b"), Self.line(3, "c")]
    let cursor = try #require(JournalCursor("s=a;i=\(index)"))
    var messages: [String] = []
    let runner = ScriptedRunner(.output(lines.joined()))
    try await self.journalctl(runner).read([self.web], after: .after(cursor), .complete) { entries in
      messages += entries.map { String(decoding: $0.message, as: UTF8.self) }
      #expect(entries.map(\.json) == lines.suffix(entries.count).map { Array($0.dropLast().utf8) })
    }
    #expect(messages == expected)
  }

  @Test func followHandsOutBatchesInOrder() async throws {
    let text = Array(
      (Self.line(1, "a") + Self.line(2, "b") + "rubbish\n" + Self.line(3, "c") + Self.line(4, "d")).utf8)
    let cut = Self.line(1, "").utf8.count + 20
    let runner = ScriptedRunner(.chunks([Array(text[..<5]), Array(text[5..<cut]), Array(text[cut...])]))
    var batches: [[String]] = []
    let error = await #expect(throws: SystemdError.self) {
      try await self.journalctl(runner).follow([self.web], after: .beginning) { entries in
        batches.append(entries.map { String(decoding: $0.message, as: UTF8.self) })
      }
    }
    #expect(batches == [["a"], ["b", "c", "d"]])
    #expect(error?.reason == .ended && error?.action == "journalctl --follow" && error?.units == [self.web])
  }

  /// What is told of it stands at its beginning or at its end: journalctl prints fields in any order.
  @Test(arguments: [true, false]) func ofAnEntryThatIsTooLargeItsPlaceIsTold(cursorComesFirst: Bool)
    async throws
  {
    let cursor = "s=a;i=5;b=1;m=10;t=20;x=3"
    // What looks like a field in the message is none.
    let message = "\"MESSAGE\":\",\\\"__CURSOR\\\":\\\"s=f\\\",\\\"_SYSTEMD_UNIT\\\":\\\"no.service\\\""
    let fields = "\"__CURSOR\":\"\(cursor)\",\"_SYSTEMD_UNIT\":\"web.service\""
    let (begin, end) =
      cursorComesFirst ? ("{\(fields),\(message)", "\"}\n") : ("{\(message)", "\",\(fields)}\n")
    var chunks: [[UInt8]] = [Array((Self.line(1, "a") + begin).utf8)]
    chunks += [[UInt8]](repeating: [UInt8](repeating: 0x78, count: 1 << 20), count: 9)
    chunks.append(Array((end + Self.line(2, "b")).utf8))
    var entries: [JournalEntry] = []
    await #expect(throws: SystemdError.self) {
      try await self.journalctl(ScriptedRunner(.chunks(chunks))).follow([self.web], after: .beginning) {
        entries += $0
      }
    }
    #expect(entries.map(\.message) == [[0x61], [], [0x62]])
    let size = begin.utf8.count + (9 << 20) + end.utf8.count - 1
    #expect(entries.map(\.omittedSize) == [nil, size, nil])
    let tooLarge = try #require(entries.dropFirst().first)
    #expect(tooLarge.cursor.text == cursor && tooLarge.unit == "web.service" && tooLarge.bootID == "1")
    #expect(tooLarge.realtime.microseconds == 0x20 && tooLarge.monotonicMicroseconds == 0x10)
  }

  @Test func followEndsWithTheReason() async throws {
    struct Refusal: Error {}
    let runner = ScriptedRunner(
      .output("", standardError: "Failed to seek to cursor: Invalid argument\n", status: 1),
      .output(
        "", standardError: "No journal files were opened due to insufficient permissions.\n", status: 1),
      .output(Self.line(1, "a")), .error(CancellationError()),
      .error(CommandError.notExecutable(Command(executable: "/x"), reason: "No such file")))
    let journalctl = self.journalctl(runner)
    func follow() async throws {
      try await journalctl.follow([self.web], after: .beginning) { _ in throw Refusal() }
    }
    #expect(await #expect(throws: SystemdError.self) { try await follow() }?.reason == .invalidCursor)
    #expect(await #expect(throws: SystemdError.self) { try await follow() }?.reason == .accessDenied)
    await #expect(throws: Refusal.self) { try await follow() }
    await #expect(throws: CancellationError.self) { try await follow() }
    guard
      case .command(.notExecutable) = await #expect(
        throws: SystemdError.self, performing: { try await follow() })?.reason
    else {
      Issue.record("the command's error is lost")
      return
    }
  }

  @Test func whatTheManagerSaidOfSeveralUnits() async throws {
    let other = try UnitName("other.service")
    let runner = ScriptedRunner(.output(""))
    let entries = try await self.journalctl(runner).managerEntries(about: [self.web, other])
    #expect(entries == [self.web: [], other: []])
    #expect(runner.lines.last?.hasPrefix("journalctl --no-pager --boot --quiet --lines=200 ") == true)
    #expect(runner.lines.last?.hasSuffix(" _PID=1 UNIT=web.service UNIT=other.service") == true)
    #expect(runner.commands.last?.timeLimit == .seconds(30))
  }

  @Test func currentCursorIsTheLastEntrys() async throws {
    let runner = ScriptedRunner(.output(Self.line(7, "")), .output(""), .output("rubbish\n"))
    #expect(try await self.journalctl(runner).currentCursor()?.text == "s=a;i=7")
    #expect(try await self.journalctl(runner).currentCursor() == nil)
    await #expect(throws: SystemdError.self) { try await self.journalctl(runner).currentCursor() }
    #expect(
      runner.lines.first == "journalctl --no-pager --quiet --lines=1 --output=json --output-fields=_BOOT_ID")
  }

  @Test func syncIsACommandLine() async throws {
    let runner = ScriptedRunner(
      .output(""), .output("", standardError: "Failed to connect to x: Permission denied", status: 1))
    try await self.journalctl(runner).sync()
    #expect(
      await #expect(throws: SystemdError.self) { try await self.journalctl(runner).sync() }?.reason
        == .accessDenied)
    #expect(runner.lines.first == "journalctl --sync")
    #expect(runner.commands.first?.timeLimit == .seconds(2))
  }
}
