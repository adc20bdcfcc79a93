import FoundationEssentials
import Processes
import TestHelpers
import Testing

@testable import Systemd

@Suite struct SystemctlTests {
  private let web: UnitName
  private let raw: UnitName
  private let db: UnitName

  init() throws {
    self.web = try UnitName("web")
    self.raw = try UnitName("raw")
    self.db = try UnitName("db@1")
  }

  private func systemctl(_ runner: ScriptedRunner, prefix: [String] = []) -> Systemctl {
    Systemctl(runner: runner, path: "/usr/bin/systemctl", commandPrefix: prefix)
  }

  // MARK: Command lines

  @Test func verbsAreCommandLines() async throws {
    let runner = ScriptedRunner(
      .output(""), .output(""), .output(""), .output(""), .output(""), .output(""), .output(""),
      .output("running\n"),
      .output("systemd 252 (252.38)\n"))
    let systemctl = self.systemctl(runner)
    try await systemctl.start(self.web)
    try await systemctl.stop(self.db, timeLimit: .seconds(3))
    try await systemctl.restart(self.web)
    try await systemctl.kill(self.web, signal: "SIGHUP")
    try await systemctl.kill(self.web, signal: "RTMIN+1", whom: .main)
    try await systemctl.resetFailed(self.web)
    try await systemctl.cancelJob(17)
    #expect(try await systemctl.systemState() == "running")
    #expect(try await systemctl.version().number == 252)
    let options = "systemctl --no-pager --no-ask-password"
    #expect(
      runner.lines == [
        "\(options) start -- web.service", "\(options) stop -- db@1.service",
        "\(options) restart -- web.service",
        "\(options) kill --fail --signal=SIGHUP --kill-who=all -- web.service",
        "\(options) kill --fail --signal=RTMIN+1 --kill-who=main -- web.service",
        "\(options) reset-failed -- web.service",
        "\(options) cancel -- 17", "\(options) is-system-running", "systemctl --version",
      ])
    #expect(
      runner.commands.map(\.timeLimit) == [
        nil, .seconds(3), nil, .seconds(30), .seconds(30), .seconds(30), .seconds(30), .seconds(30),
        .seconds(30),
      ])
  }

  /// A carriage return and a newline are one Character.
  @Test func aPropertyThatEndsInACarriageReturn() async throws {
    let runner = ScriptedRunner(.output("WorkingDirectory=!/srv/x\r\nUser=app\n"))
    let properties = try await self.systemctl(runner).properties(["WorkingDirectory", "User"], of: self.web)
    #expect(properties == ["WorkingDirectory": "!/srv/x\r", "User": "app"])
  }

  @Test func aPrefixComesBeforeTheCommand() async throws {
    let runner = ScriptedRunner(.output(""), .output(""))
    try await self.systemctl(runner, prefix: ["/usr/bin/nsenter", "-t", "1", "-a"]).start(self.web)
    try await Systemctl(runner: runner, path: "systemctl", commandPrefix: ["sh"]).start(self.web)
    #expect(
      runner.lines == [
        "nsenter -t 1 -a systemctl --no-pager --no-ask-password start -- web.service",
        "sh systemctl --no-pager --no-ask-password start -- web.service",
      ])
    #expect(runner.commands.allSatisfy { $0.executable.hasPrefix("/") })
  }

  @Test(arguments: [
    "", "list", "help", "SIGHUP ", "SIG\nHUP", "--now=1", "SIGHUP;", String(repeating: "A", count: 17),
  ])
  func signalsThatSystemctlWouldTakeOtherwiseAreRefused(signal: String) async throws {
    let runner = ScriptedRunner()
    let error = await #expect(throws: SystemdError.self) {
      try await self.systemctl(runner).kill(self.web, signal: signal)
    }
    #expect(error?.reason == .invalidSignal)
    #expect(runner.commands.isEmpty)
  }

  // MARK: show

  @Test func showAsksForAllUnitsOnceByOneCommand() async throws {
    let runner = ScriptedRunner(
      .output("Id=web.service\nNames=web.service\n\nId=real.service\nNames=db@1.service real.service\n"))
    let answers = try await self.systemctl(runner).show([self.web, self.db, self.web])
    #expect(try answers[self.web]?.get().id == "web.service")
    #expect(try answers[self.db]?.get().id == "real.service")
    #expect(runner.commands.count == 1)
    let line = try #require(runner.lines.first)
    #expect(
      line.hasPrefix(
        "systemctl --no-pager --no-ask-password show --timestamp=us+utc --property=Id,Names,LoadState,"))
    #expect(line.hasSuffix(",StatusErrno -- web.service db@1.service"))
  }

  @Test func showOfNothingAsksNothing() async throws {
    let runner = ScriptedRunner()
    #expect(try await self.systemctl(runner).show([]).isEmpty)
    #expect(try await self.systemctl(runner).listUnits([]).isEmpty)
    #expect(runner.commands.isEmpty)
  }

  @Test func aUnitThatCannotBeShownDoesNotHideTheOthers() async throws {
    let failure = "Failed to get properties: Invalid argument\n"
    let raw2 = try UnitName("raw2")
    let runner = ScriptedRunner(
      .output("Id=web.service\n", standardError: failure, status: 1),
      .output("", standardError: failure, status: 1),
      .output("Id=db@1.service\n"))
    let answers = try await self.systemctl(runner).show([self.web, self.raw, raw2, self.db])
    #expect(try answers[self.web]?.get().id == "web.service")
    #expect(try answers[self.db]?.get().id == "db@1.service")
    for unit in [self.raw, raw2] {
      let error = #expect(throws: SystemdError.self) { try answers[unit]?.get() }
      #expect(error?.reason == .unreadableProperties && error?.units == [unit])
    }
    #expect(
      runner.lines.map { $0.components(separatedBy: " -- ").last } == [
        "web.service raw.service raw2.service db@1.service", "raw2.service db@1.service", "db@1.service",
      ])
    let alone = ScriptedRunner(.output("", standardError: failure, status: 1))
    let error = await #expect(throws: SystemdError.self) { try await self.systemctl(alone).show(self.raw) }
    #expect(error?.reason == .unreadableProperties)
  }

  @Test func aManagerThatCannotBeReachedIsAskedOnce() async throws {
    let runner = ScriptedRunner(
      .output("", standardError: "Failed to connect to bus: No such file or directory\n", status: 1))
    let error = await #expect(throws: SystemdError.self) {
      try await self.systemctl(runner).show([self.web, self.db])
    }
    #expect(error?.reason == .managerUnreachable)
    #expect(runner.commands.count == 1)
  }

  @Test(arguments: [
    "", "Id=other.service\n", "Id=web.service\n\nId=web.service\n", "ActiveState=active\n", "rubbish",
  ])
  func showRefusesAnswersToOtherQuestions(output: String) async throws {
    let error = await #expect(throws: SystemdError.self) {
      try await self.systemctl(ScriptedRunner(.output(output))).show(self.web)
    }
    guard case .unexpectedOutput = error?.reason else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test func listUnitsTellsStates() async throws {
    let runner = ScriptedRunner(.output("web.service loaded active running The web\n"))
    #expect(
      try await self.systemctl(runner).listUnits([self.web, self.db])
        == [self.web: UnitListing(loadState: .loaded, activeState: .active, subState: "running")])
    #expect(
      runner.lines == [
        "systemctl --no-pager --no-ask-password list-units --all --plain --no-legend --full -- web.service db@1.service"
      ])
  }

  // MARK: The manager

  @Test func systemStateIsTakenFromAFailingCommand() async throws {
    #expect(
      try await self.systemctl(ScriptedRunner(.output("degraded\n", status: 1))).systemState() == "degraded")
    for output in ["", "\n", "not a state\n", "\u{1b}[0m\n"] {
      let runner = ScriptedRunner(.output(output, standardError: "Failed to connect to bus: x", status: 1))
      let error = await #expect(throws: SystemdError.self) { try await self.systemctl(runner).systemState() }
      #expect(error?.reason == .managerUnreachable)
    }
  }

  @Test func anotherProgramIsNotTakenForSystemctl() async throws {
    let error = await #expect(throws: SystemdError.self) {
      try await self.systemctl(ScriptedRunner(.output("GNU coreutils 9.1\n"))).version()
    }
    #expect(error?.reason == .unexpectedOutput("GNU coreutils 9.1"))
    #expect(
      error?.description
        == "systemctl --version failed: its output is not understood: GNU coreutils 9.1. "
        + "Run the command by hand to see more; the debug log shows it as it was run.")
  }

  // MARK: Errors

  @Test(
    arguments: [
      ("Failed to start web.service: Unit web.service not found.", 5, .unitNotFound),
      ("Failed to stop web.service: Unit web.service not loaded.", 5, .unitNotFound),
      ("Failed to kill unit web.service: Unit web.service not loaded.", 1, .unitNotFound),
      ("Failed to start web.service: Unit web.service is masked.", 1, .unitMasked),
      (
        "Failed to start web.service: Unit web.service has a bad unit file setting.\nSee system logs …", 1,
        .badUnitFile
      ),
      (
        "Failed to start web.service: Unit web.service failed to load properly, please adjust/correct and reload service "
          + "manager: Invalid argument", 1, .badUnitFile
      ),
      (
        "Failed to start web.service: Operation refused, unit web.service may be requested by dependency only",
        4, .refused
      ),
      (
        "Job for web.service failed because the control process exited with error code.\nSee …", 1, .jobFailed
      ),
      ("Job for web.service failed because a timeout was exceeded.", 1, .jobTimedOut),
      ("Job for web.service canceled.", 1, .jobCanceled),
      ("A dependency job for web.service failed. See 'journalctl -xe' for details.", 1, .dependencyFailed),
      ("Job for web.service failed because start of the service was attempted too often.", 1, .startLimitHit),
      ("Failed to kill unit web.service: No main process to kill", 1, .noProcess),
      ("Failed to kill unit web.target: Unit type does not support process killing.", 1, .noProcess),
      ("Failed to kill unit web.service: No matching processes to kill", 1, .noProcess),
      ("Failed to kill unit a.slice: slice units have no main processes", 1, .noProcess),
      ("Failed to kill unit a.target: Operation not supported", 1, .noProcess),
      ("Failed to parse signal string \"NOSIG\".", 1, .invalidSignal),
      ("Failed to start web.service: Interactive authentication required.", 1, .accessDenied),
      ("Failed to start web.service: Access denied", 4, .accessDenied),
      ("Failed to connect to bus: Permission denied", 1, .accessDenied),
      ("Failed to connect to bus: Operation not permitted", 1, .accessDenied),
      (
        "System has not been booted with systemd as init system (PID 1). Can't operate.\nFailed to connect to bus: Host is "
          + "down", 1, .managerUnreachable
      ),
      (
        "Failed to connect to system scope bus via local transport: No such file or directory", 1,
        .managerUnreachable
      ),
      ("Something new", 1, .other), ("", 1, .other),
    ] as [(String, Int32, SystemdError.Reason)])
  func failuresAreClassified(text: String, status: Int32, reason: SystemdError.Reason) async throws {
    let runner = ScriptedRunner(.output("", standardError: text + "\n", status: status))
    let error = try #require(
      await #expect(throws: SystemdError.self) { try await self.systemctl(runner).start(self.web) })
    #expect(error.reason == reason)
    #expect(error.termination == .exited(status))
    #expect(error.description.hasPrefix("systemctl start web.service failed (exit status \(status)): "))
    #expect(error.description.hasSuffix(error.hint) && error.hint.hasSuffix("."))
  }

  @Test func errorsTellWhatHappenedAndWhatToDo() async throws {
    let runner = ScriptedRunner(
      .output("", standardError: "Failed to start web.service: Unit web.service is masked.\n", status: 1))
    let error = await #expect(throws: SystemdError.self) { try await self.systemctl(runner).start(self.web) }
    #expect(
      error?.description
        == "systemctl start web.service failed (exit status 1): Failed to start web.service: Unit web.service is masked. "
        + "If it should be usable, run `systemctl unmask web.service`.")
    let units = try (1...9).map { try UnitName("u\($0)") }
    let other = ScriptedRunner(.output("", standardError: "\u{1b}[31mBad\r\nthing\u{202e}", status: 1))
    let listError = await #expect(throws: SystemdError.self) {
      try await self.systemctl(other).listUnits(units)
    }
    #expect(
      listError?.description
        == "systemctl list-units u1.service u2.service u3.service and 6 more failed (exit status 1): [31mBad thing. "
        + "Run the command by hand to see more; the debug log shows it as it was run.")
  }

  @Test func commandErrorsNameTheOption() async throws {
    let command = Command(executable: "/opt/systemctl")
    let runner = ScriptedRunner(
      .error(CommandError.notExecutable(command, reason: "No such file or directory")))
    let error = await #expect(throws: SystemdError.self) { try await self.systemctl(runner).version() }
    #expect(
      error?.description
        == "systemctl --version failed: cannot execute /opt/systemctl: No such file or directory. Install the program, "
        + "or correct the plugin's options systemctl_path, journalctl_path or command_prefix.")
    await #expect(throws: CancellationError.self) {
      try await self.systemctl(ScriptedRunner(.error(CancellationError()))).start(self.web)
    }
  }
}
