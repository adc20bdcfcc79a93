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
    #expect(history.runs.map(\.result) == ["exit-code", "signal", "success"])
    #expect(history.runs.map(\.mainProcessExit) == [.exited(9), .killed(11), nil])
    #expect(history.runs.first?.endTime?.microseconds == 7)
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

  // MARK: Which process, which restart

  private static func job(_ run: String, _ type: String, _ result: String, _ message: String, _ id: String)
    throws
    -> JournalEntry
  {
    try self.entry(
      """
      "INVOCATION_ID":"\(run)","JOB_TYPE":"\(type)","JOB_RESULT":"\(result)","MESSAGE":"\(message)",\
      "MESSAGE_ID":"\(id)"
      """)
  }

  private static func scheduled(_ run: String) throws -> JournalEntry {
    try self.entry("\"INVOCATION_ID\":\"\(run)\",\"MESSAGE_ID\":\"5eb03494b6584870a536b337290809b3\"")
  }

  private static func stopped(_ run: String, _ type: String) throws -> JournalEntry {
    try self.job(run, type, "done", "Stopped x.service.", "9d1aaa27d60140bd96365438aad20286")
  }

  private static func failure(_ run: String) throws -> [JournalEntry] {
    [try self.started(run), try self.exited(run, "exited", 7), try self.failed(run, "exit-code")]
  }

  @Test func theFirstProcessThatFailed() throws {
    let history = UnitHistory([
      try Self.started("a"), try Self.exited("a", "exited", 4, command: "ExecReload"),
      try Self.exited("a", "exited", 9, command: "ExecStop"), try Self.exited("a", "killed", 9),
      try Self.failed("a", "exit-code"),
    ])
    #expect(history.run("a")?.failedCommand == FailedCommand(directive: "ExecStop", exit: .exited(9)))
    #expect(history.run("a")?.mainProcessExit == .killed(9))
  }

  @Test(arguments: [
    ("done", "x.service was skipped because of an unmet condition check (ConditionPathExists=/x)."),
    ("dependency", "Dependency failed for x.service."), ("assert", "Assertion failed for x.service."),
  ])
  func aRestartThatIsPassedOver(result: String, message: String) throws {
    let history = UnitHistory(
      try Self.failure("a") + [
        try Self.scheduled("a"), try Self.stopped("a", "restart"),
        try Self.job("a", "start", result, message, "be02cf6855d2428ba40df7e9d022f03d"),
      ])
    let end = try #require(history.end(since: "a"))
    #expect(end.result == "exit-code" && end.passedOverRestart == message && !end.isStoppedInPause)
  }

  /// Of a restart by a condition command systemd makes a run.
  @Test func aRestartThatAnExecConditionPassesOver() throws {
    let message = "Condition check resulted in x.service being skipped."
    let skipped = try Self.entry(
      """
      "INVOCATION_ID":"b","MESSAGE_ID":"0e4284a0caca4bfc81c0bb6786972673","UNIT_RESULT":"exec-condition"
      """)
    let history = UnitHistory(
      try Self.failure("a") + [
        try Self.scheduled("a"), skipped,
        try Self.job("b", "start", "done", message, "39f53479d3a045ac8e11786248231fbf"),
      ])
    // The second one can be the run that was seen last.
    for run in ["a", "b"] {
      let end = try #require(history.end(since: run))
      #expect(end.invocationID == "a" && end.result == "exit-code" && end.passedOverRestart == message)
    }
    // Asked for by somebody, it is a run that was skipped.
    #expect(UnitHistory([skipped]).end(since: "b")?.result == "exec-condition")
  }

  @Test func aStopInThePauseBeforeARestart() throws {
    let end = UnitHistory(try Self.failure("a") + [try Self.stopped("a", "stop")]).end(since: "a")
    #expect(end?.isStoppedInPause == true && end?.isStopRequested == false)
    let stopping = try Self.entry(
      """
      "INVOCATION_ID":"a","JOB_TYPE":"stop","MESSAGE_ID":"de5b426a63be47a7b6ac3eaac82e2f6f"
      """)
    let failed = UnitHistory(
      [try Self.started("a"), stopping, try Self.exited("a", "exited", 7), try Self.failed("a", "exit-code")]
        + [try Self.stopped("a", "stop")])
    #expect(failed.end(since: "a")?.isStoppedInPause == false)
    #expect(failed.end(since: "a")?.isStopRequested == true)
  }

  /// With LogLevelMax=debug such messages are in the journal since version 256 or so.
  @Test func aCleanEndIsNoFailure() throws {
    var ignored = try Self.exited("a", "exited", 4, command: "ExecStop")
    ignored.priority = 7
    let history = UnitHistory([
      try Self.started("a"), ignored, try Self.exited("a", "exited", 9, command: "ExecStopPost"),
      try Self.failed("a", "exit-code"),
    ])
    #expect(history.run("a")?.failedCommand == FailedCommand(directive: "ExecStopPost", exit: .exited(9)))
  }

  /// systemd says other things of a run too, such as what it cannot read of the unit's control group.
  @Test func whatTellsThatAUnitHasRun() throws {
    let other = try Self.entry("\"INVOCATION_ID\":\"a\",\"MESSAGE\":\"Failed to read pids.max\"")
    let skipped = try Self.failed("a", "exec-condition")
    #expect(UnitHistory([other, skipped]).run("a")?.hasRun == false)
    for entry in [try Self.started("a"), try Self.succeeded("a"), try Self.exited("a", "exited", 1)] {
      #expect(UnitHistory([other, entry]).run("a")?.hasRun == true)
    }
  }

  @Test func onlyTheLatestRunsAreKept() throws {
    let history = UnitHistory(try (0..<100).flatMap { try Self.failure("run\($0)") })
    #expect(history.runs.count == 16 && history.end(since: "run99")?.invocationID == "run99")
    #expect(history.end(since: "run1") == nil)
  }

  @Test func aRunThatBeganLaterIsNotKnownYet() throws {
    var later = try Self.started("b")
    later.monotonicMicroseconds = 100
    let history = UnitHistory(try Self.failure("a") + [later])
    #expect(history.end(since: "a") == nil)
    #expect(history.known(at: 99).end(since: "a")?.result == "exit-code")
  }
}
