import Testing

@testable import Systemd

/// The output is that of a real systemd 252.
@Suite struct ServiceCommandsTests {
  private static func commands(_ lines: String...) -> ServiceCommands {
    ServiceCommands(Array(lines.map { $0 + "\n" }.joined().utf8))
  }

  private static func command(
    _ directive: String, _ exit: String, ignored: Bool = false, end: String = "", argv: String = "/bin/x"
  ) -> String {
    "\(directive)={ path=/bin/sh ; argv[]=\(argv) ; ignore_errors=\(ignored ? "yes" : "no") ; start_time=[n/a] ; "
      + "stop_time=[\(end.isEmpty ? "n/a" : "Fri 2026-11-27 20:01:\(end) UTC")] ; pid=194 ; \(exit) }"
  }

  @Test func theCommandThatFailed() {
    let commands = Self.commands(
      "Type=simple", "SuccessExitStatus=5 7 75 KILL", "ExecMainCode=1", "ExecMainStatus=5", "InvocationID=a",
      Self.command("ExecStart", "code=exited ; status=5", end: "36.012968"),
      Self.command("ExecStop", "code=exited ; status=0"),
      Self.command("ExecStop", "code=exited ; status=4", ignored: true),
      Self.command("ExecStopPost", "code=exited ; status=9", end: "36.019820"),
      Self.command("ExecStopPost", "code=(null) ; status=0/0"))
    #expect(commands.invocationID == "a")
    #expect(commands.failures == [FailedCommand(directive: "ExecStopPost", exit: .exited(9))])
  }

  @Test func theFirstFailureComesFirst() {
    let commands = Self.commands(
      "Type=simple", "SuccessExitStatus=", "ExecMainCode=1", "ExecMainStatus=3",
      "ExecMainExitTimestamp=Fri 2026-11-27 20:01:36.5 UTC",
      Self.command("ExecStartPost", "code=killed ; status=9/KILL", end: "36.4"),
      Self.command("ExecStopPost", "code=dumped ; status=6/ABRT", end: "36.6"))
    #expect(
      commands.failures == [
        FailedCommand(directive: "ExecStartPost", exit: .killed(9)),
        FailedCommand(directive: "ExecStart", exit: .exited(3)),
        FailedCommand(directive: "ExecStopPost", exit: .dumped(6)),
      ])
  }

  @Test(arguments: [
    ("Type=simple", "", 2, 15, true), ("Type=oneshot", "", 2, 15, false), ("Type=simple", "", 2, 9, false),
    ("Type=simple", "KILL", 2, 9, true), ("Type=simple", "RTMIN+1", 2, 35, true),
    ("Type=simple", "75", 1, 75, true),
    ("Type=simple", "75", 1, 7, false), ("Type=simple", "ABRT", 3, 6, false), ("Type=simple", "", 0, 0, true),
  ])
  func aCleanEndOfTheMainProcess(type: String, success: String, code: Int, status: Int, isClean: Bool) {
    let commands = Self.commands(
      type, "SuccessExitStatus=\(success)", "ExecMainCode=\(code)", "ExecMainStatus=\(status)")
    #expect(commands.failures.isEmpty == isClean)
  }

  @Test func aFailureOfTheMainProcessThatIsIgnored() {
    let commands = Self.commands(
      "Type=simple", "ExecMainCode=1", "ExecMainStatus=3",
      Self.command("ExecStart", "code=exited ; status=3", ignored: true))
    #expect(commands.failures.isEmpty)
  }

  @Test func theFirstProcessOfAForkingService() {
    let commands = Self.commands(
      "Type=forking", "ExecMainCode=0", "ExecMainStatus=0",
      Self.command("ExecStart", "code=exited ; status=3"))
    #expect(commands.failures == [FailedCommand(directive: "ExecStart", exit: .exited(3))])
  }

  /// A command's words can be any text.
  @Test func wordsThatLookLikeAResult() {
    let words = "a ; code=exited ; status=0 } ; ignore_errors=yes"
    let commands = Self.commands(Self.command("ExecStop", "code=exited ; status=4", argv: words))
    #expect(commands.failures == [FailedCommand(directive: "ExecStop", exit: .exited(4))])
  }
}
