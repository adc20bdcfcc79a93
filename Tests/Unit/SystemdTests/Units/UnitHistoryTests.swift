import Testing

@testable import Systemd

/// The messages are those of a real systemd 252, without what does not matter.
@Suite struct UnitHistoryTests {
  private static func entry(_ fields: String, at time: Int = 1) throws -> JournalEntry {
    let line =
      "{\"__CURSOR\":\"s=a;i=1\",\"__REALTIME_TIMESTAMP\":\"\(time)\",\"__MONOTONIC_TIMESTAMP\":\"1\","
      + "\"_BOOT_ID\":\"b\",\"_PID\":\"1\",\"UNIT\":\"x.service\",\(fields)}"
    return try JournalEntry(json: Array(line.utf8)[...])
  }

  private static func started(_ run: String) throws -> JournalEntry {
    try self.entry(
      """
      "INVOCATION_ID":"\(run)","JOB_TYPE":"start","JOB_RESULT":"done","MESSAGE":"Started x.service.",\
      "MESSAGE_ID":"39f53479d3a045ac8e11786248231fbf"
      """)
  }

  private static func exited(_ run: String, _ code: String, _ status: Int, command: String = "ExecStart")
    throws
    -> JournalEntry
  {
    try self.entry(
      """
      "INVOCATION_ID":"\(run)","MESSAGE_ID":"98e322203f7a4ed290d09fe03c09fe15","EXIT_CODE":"\(code)",\
      "EXIT_STATUS":"\(status)","COMMAND":"\(command)"
      """)
  }

  private static func failed(_ run: String, _ result: String) throws -> JournalEntry {
    try self.entry(
      """
      "INVOCATION_ID":"\(run)","MESSAGE_ID":"d9b373ed55a64feb8242e02dbe79a49c","UNIT_RESULT":"\(result)"
      """, at: 7)
  }

  private static func succeeded(_ run: String) throws -> JournalEntry {
    try self.entry("\"INVOCATION_ID\":\"\(run)\",\"MESSAGE_ID\":\"7ad2d189f7e94e70a38c781354912448\"")
  }

  @Test func theEndsOfRuns() throws {
    let history = UnitHistory([
      try Self.started("a"), try Self.exited("a", "exited", 9), try Self.failed("a", "exit-code"),
      try Self.started("b"), try Self.exited("b", "killed", 11), try Self.failed("b", "signal"),
      try Self.started("c"), try Self.exited("c", "exited", 1, command: "ExecStop"), try Self.succeeded("c"),
    ])
    #expect(history.ends.map(\.result) == ["exit-code", "signal", "success"])
    #expect(history.ends.map(\.mainProcessExit) == [.exited(9), .killed(11), nil])
    #expect(history.ends.first?.time.microseconds == 7)
    // systemd has restarted it: what counts is the last one.
    for run in ["a", "b", "c"] { #expect(history.end(since: run)?.invocationID == "c") }
    #expect(history.end(since: "d") == nil)
    #expect(history.end(since: nil)?.invocationID == "c")
    #expect(history.skippedStart == nil)
  }

  /// systemd's messages can be lost.
  @Test func anEndThatIsNotTold() throws {
    let history = UnitHistory([
      try Self.started("a"), try Self.exited("a", "exited", 9), try Self.failed("a", "exit-code"),
      try Self.started("b"),
    ])
    for run in ["a", "b", nil] { #expect(history.end(since: run) == nil) }
  }

  @Test(arguments: [
    "x.service was skipped because of an unmet condition check (ConditionPathExists=/nope).",
    "x.service was skipped because no trigger condition checks were met.",
    "x.service skipped, unmet condition check ConditionPathExists=/nope",
    "x.service skipped, no trigger condition checks were met",
    "Condition check resulted in x.service being skipped.",
  ])
  func aSkippedStart(message: String) throws {
    let skipped = try Self.entry(
      """
      "INVOCATION_ID":"","JOB_TYPE":"start","JOB_RESULT":"done","MESSAGE":"\(message)",\
      "MESSAGE_ID":"39f53479d3a045ac8e11786248231fbf"
      """)
    #expect(UnitHistory([try Self.started("a"), skipped]).skippedStart == message)
    // A start after it went well.
    #expect(UnitHistory([skipped, try Self.started("a")]).skippedStart == nil)
  }

  @Test func aStartThatAnExecConditionSkipped() throws {
    // systemd 247
    let skipped = try Self.entry(
      """
      "INVOCATION_ID":"b","JOB_TYPE":"start","JOB_RESULT":"skipped",\
      "MESSAGE":"Condition check resulted in x.service being skipped.",\
      "MESSAGE_ID":"39f53479d3a045ac8e11786248231fbf"
      """)
    #expect(UnitHistory([try Self.started("a"), skipped]).skippedStart != nil)
  }

  @Test func onlyTheManagerIsBelieved() throws {
    var claim = try Self.failed("a", "exit-code")
    claim.processID = 77
    #expect(UnitHistory([claim]) == UnitHistory())
  }
}
