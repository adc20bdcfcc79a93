import Foundation
import Processes
import Synchronization
import Systemd
import TestHelpers
import Testing

@testable import Transcripts

/// What a replay answers.
@Suite struct ReplayTests {
  /// A transcript that is made by hand.
  private struct Recording {
    var prefix: [String] = []
    var exchanges: [Transcript.Exchange] = []
    var now: UInt64 = 0

    var transcript: Transcript {
      Transcript(
        header: TranscriptHeader(
          plugin: "1", recording: "a", part: 0, realtime: RealtimeTimestamp(microseconds: 0), uptime: 0,
          bootID: nil, commandPrefix: self.prefix),
        exchanges: self.exchanges.sorted { $0.start < $1.start })
    }

    func replay(_ speed: ReplaySpeed = .asFastAsPossible, log: LogLines = LogLines())
      -> ReplayingCommandRunner
    {
      ReplayingCommandRunner(self.transcript, speed: speed, holdWarningDelay: .zero, logger: log.logger)
    }

    /// A command that takes 10 ms, 10 ms after the one before.
    mutating func add(
      _ command: String, _ output: String = "", status: Int32 = 0, standardError: String = "",
      outcome: TranscriptOutcome? = nil
    ) {
      self.add(
        command, [(self.now + 15_000, output)], from: self.now + 10_000, to: self.now + 20_000,
        outcome
          ?? .ended(
            CommandResult(
              termination: .exited(status), standardError: Array(standardError.utf8),
              duration: .milliseconds(10))))
      self.now += 20_000
    }

    mutating func add(
      _ command: String, _ output: [(UInt64, String)], from start: UInt64, to end: UInt64?,
      _ outcome: TranscriptOutcome?
    ) {
      self.exchanges.append(
        Transcript.Exchange(
          id: UInt64(self.exchanges.count + 1), start: start, command: ReplayTests.command(command),
          output: output.filter { !$0.1.isEmpty }.map { Transcript.Chunk(at: $0.0, bytes: Array($0.1.utf8)) },
          end: end, outcome: outcome))
    }
  }

  private static func command(_ line: String, timeLimit: Duration? = .seconds(60)) -> Command {
    let words = line.split(separator: " ").map(String.init)
    return Command(
      executable: "/usr/bin/\(words[0])", arguments: Array(words.dropFirst()), timeLimit: timeLimit)
  }

  private func ask(_ runner: ReplayingCommandRunner, _ line: String) async throws -> String {
    let output = try await runner.run(Self.command(line))
    return String(decoding: output.standardOutput, as: UTF8.self)
  }

  private func missing(_ runner: ReplayingCommandRunner, _ line: String) async -> String {
    do {
      return "answered: \(try await self.ask(runner, line))"
    } catch CommandError.notRecorded(_, let reason) {
      return reason
    } catch {
      return "\(error)"
    }
  }

  // MARK: Questions and changes

  private static let life: Recording = {
    var recording = Recording()
    recording.add("systemctl show -- a.service", "before")
    recording.add("systemctl start -- a.service")
    recording.add("systemctl show -- a.service", "running 1")
    recording.add("systemctl show -- a.service", "running 2")
    recording.add("systemctl stop -- a.service", status: 1, standardError: "hm")
    recording.add("systemctl show -- a.service", "after")
    return recording
  }()

  @Test(arguments: [ReplaySpeed.asFastAsPossible, .times(1)])
  func questionsAreAnsweredInOrderUpToTheNextChange(speed: ReplaySpeed) async throws {
    let log = LogLines()
    let runner = Self.life.replay(speed, log: log)
    for _ in 0..<3 { #expect(try await self.ask(runner, "systemctl show -- a.service") == "before") }
    #expect(log.lines.count == 1 && log.lines.first?.contains("start -- a.service") == true)
    _ = try await self.ask(runner, "systemctl start -- a.service")
    var answers: [String] = []
    repeat {
      answers.append(try await self.ask(runner, "systemctl show -- a.service"))
    } while answers.last != "running 2"
    // By the clock one may be passed by.
    #expect(answers.allSatisfy { $0.hasPrefix("running") })
    if speed == .asFastAsPossible { #expect(answers == ["running 1", "running 2"]) }
    #expect(try await self.ask(runner, "systemctl show -- a.service") == "running 2")
    let stop = try await runner.run(Self.command("systemctl stop -- a.service"))
    #expect(stop.result.termination == .exited(1) && stop.result.standardError == Array("hm".utf8))
    for _ in 0..<2 { #expect(try await self.ask(runner, "systemctl show -- a.service") == "after") }
  }

  @Test func aChangeIsMadeAsOftenAsItWasRecorded() async throws {
    let log = LogLines()
    let runner = Self.life.replay(log: log)
    _ = try await self.ask(runner, "systemctl start -- a.service")
    #expect(await self.missing(runner, "systemctl start -- a.service").contains("no further answer"))
    #expect(await self.missing(runner, "systemctl start -- a.service").contains("no further answer"))
    // Each is told once.
    #expect(log.lines.count == 1 && log.lines.first?.hasPrefix("error") == true)
    // A change may be left out.
    var again = Self.life
    again.add("systemctl start -- a.service")
    let other = again.replay()
    _ = try await self.ask(other, "systemctl stop -- a.service")
    #expect(try await self.ask(other, "systemctl show -- a.service") == "after")
    _ = try await self.ask(other, "systemctl start -- a.service")
    #expect(await self.missing(other, "systemctl start -- a.service").contains("no further answer"))
  }

  @Test func changesAtTheSameTimeComeInAnyOrder() async throws {
    var recording = Recording()
    for _ in 0..<2 { recording.add("systemctl stop -- a.service") }
    recording.add("systemctl kill --signal=SIGKILL -- a.service")
    let runner = recording.replay()
    _ = try await self.ask(runner, "systemctl stop -- a.service")
    _ = try await self.ask(runner, "systemctl kill --signal=SIGKILL -- a.service")
    _ = try await self.ask(runner, "systemctl stop -- a.service")
    #expect(await self.missing(runner, "systemctl stop -- a.service").contains("no further answer"))
  }

  @Test func signalsMayBeRepeated() async throws {
    var recording = Recording()
    recording.add("systemctl kill --signal=SIGKILL -- a.service")
    let runner = recording.replay()
    for _ in 0..<3 { _ = try await self.ask(runner, "systemctl kill --signal=SIGKILL -- a.service") }
    #expect(await self.missing(runner, "systemctl kill --signal=SIGTERM -- a.service").contains("nearest"))
  }

  @Test func whatIsNotRecordedIsAnErrorThatNamesTheNearest() async throws {
    let runner = Self.life.replay()
    #expect(
      await self.missing(runner, "systemctl show --all -- a.service")
        == "the recording does not have it; the nearest is: /usr/bin/systemctl show -- a.service, which has nothing "
        + "where this has --all")
    #expect(
      await self.missing(runner, "systemctl start -- b.service")
        == "the recording does not have it; the nearest is: /usr/bin/systemctl start -- a.service, which has a.service "
        + "where this has b.service")
    let error = try await Systemctl(runner: runner).failure { try await $0.stop(UnitName("b")) }
    #expect(error.contains("transcript show FILE"))
    #expect(await self.missing(Recording().replay(), "systemctl --version") == "the recording is empty")
  }

  @Test func howTheHostWasReachedDoesNotMatter() async throws {
    var recording = Recording(prefix: ["nsenter", "-t", "1", "-a"])
    recording.add("nsenter -t 1 -a systemctl show -- a.service", "there")
    recording.add("nsenter -t 1 -a journalctl --sync")
    let runner = recording.replay()
    #expect(try await self.ask(runner, "systemctl show -- a.service") == "there")
    #expect(try await self.ask(runner, "journalctl --sync") == "")
  }

  @Test func outcomesOfAllKinds() async throws {
    let command = Self.command("x")
    var recording = Recording()
    recording.add("systemctl is-system-running", outcome: .failed(.timedOut(command, standardError: "busy")))
    recording.add("systemctl is-system-running", outcome: .failed(.spawnFailed(command, reason: "no")))
    recording.add("systemctl is-system-running", outcome: .failed(.notExecutable(command, reason: "none")))
    recording.add("systemctl is-system-running", "running", outcome: .cancelled)
    let runner = recording.replay()
    let asked = Self.command("systemctl is-system-running", timeLimit: .milliseconds(50))
    for expected in [
      CommandError.timedOut(asked, standardError: "busy"), .spawnFailed(asked, reason: "no"),
      .notExecutable(asked, reason: "none"), .timedOut(asked, standardError: ""),
    ] {
      await #expect(throws: expected) { try await runner.run(asked) }
    }
    // One that the driver ended runs until it is ended again.
    let task = Task { try await runner.run(Self.command("systemctl is-system-running")) }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
  }

  // MARK: Several units

  @Test func answersAboutSeveralUnitsAreTakenApart() async throws {
    var recording = Recording()
    recording.add("systemctl show -- a.service b.service", "Id=a.service\nX=1\n\nId=b.service\nX=2\n")
    recording.add(
      "systemctl list-units -- a.service b.service c.service",
      "a.service loaded active running A\nb.service loaded failed failed B c.service\n")
    recording.add(
      "systemctl show -- a.service c.service b.service", "Id=a.service\nX=3\n", status: 1,
      standardError: "odd")
    let runner = recording.replay()
    #expect(
      try await self.ask(runner, "systemctl show -- b.service a.service")
        == "Id=b.service\nX=2\n\nId=a.service\nX=1\n")
    #expect(
      try await self.ask(runner, "systemctl list-units -- c.service b.service")
        == "b.service loaded failed failed B c.service\n")
    #expect(try await self.ask(runner, "systemctl list-units -- c.service") == "")
    // systemctl stops at a unit that it cannot show.
    let output = try await runner.run(Self.command("systemctl show -- a.service c.service b.service"))
    #expect(output.standardOutput == Array("Id=a.service\nX=3\n".utf8))
    #expect(output.result.termination == .exited(1) && output.result.standardError == Array("odd".utf8))
    #expect(await self.missing(runner, "systemctl show -- a.service d.service").contains("d.service"))
  }

  @Test func eachUnitHasATimeOfItsOwn() async throws {
    var recording = Recording()
    recording.add("systemctl show -- a.service", "a")
    recording.add("systemctl show -- b.service", "b")
    recording.add("systemctl start -- b.service")
    recording.add("systemctl show -- a.service", "a later")
    let runner = recording.replay()
    _ = try await self.ask(runner, "systemctl show -- a.service")
    #expect(try await self.ask(runner, "systemctl show -- a.service") == "a later")
    #expect(try await self.ask(runner, "systemctl show -- b.service") == "b")
  }

  // MARK: The journal

  private static func entry(_ number: Int) -> String {
    #"{"__CURSOR":"s=a;i=\#(number)","__REALTIME_TIMESTAMP":"1","__MONOTONIC_TIMESTAMP":"1","_BOOT_ID":"ab","MESSAGE":"\#(number)"}"#
      + "\n"
  }

  private static let follow = "journalctl --follow --unit=a.service"
  private static let read = "journalctl --boot --quiet --unit=a.service"

  /// A start, a follower that gets three lines and is ended, and a reader that gets the rest.
  private static let logs: Recording = {
    var recording = Recording()
    recording.add("systemctl start -- a.service")
    recording.add(
      "\(follow) --since=@1.000000",
      [
        (40_000, entry(1)), (50_000, String(entry(2).prefix(9))),
        (60_000, entry(2).dropFirst(9) + entry(3) + entry(4).prefix(5)),
      ],
      from: 30_000, to: 90_000, .cancelled)
    recording.now = 100_000
    recording.add("\(read) --cursor=s=a;i=3", entry(4))
    return recording
  }()

  /// Follows until all of some lines have come. Gives what came.
  private func follow(_ runner: ReplayingCommandRunner, _ line: String, until last: String) async -> String {
    let collected = Collected()
    let task = Task { try await runner.run(Self.command(line)) { collected.append($0) } }
    try? await eventually { collected.text.hasSuffix(last) }
    task.cancel()
    _ = await task.result
    return collected.text
  }

  @Test(arguments: [ReplaySpeed.asFastAsPossible, .times(1)])
  func aReaderGoesOnWhereItStopped(speed: ReplaySpeed) async throws {
    let runner = Self.logs.replay(speed)
    _ = try await self.ask(runner, "systemctl start -- a.service")
    let followed = await self.follow(runner, "\(Self.follow) --since=@99.000000", until: Self.entry(3))
    #expect(followed == (1...3).map(Self.entry).joined())
    #expect(try await self.ask(runner, "\(Self.read) --cursor=s=a;i=3") == Self.entry(4))
  }

  @Test func whatNobodyFollowedThisTimeIsRead() async throws {
    // The follower was not even started.
    var runner = Self.logs.replay()
    _ = try await self.ask(runner, "systemctl start -- a.service")
    #expect(try await self.ask(runner, "\(Self.read) --since=@99.000000") == (1...4).map(Self.entry).joined())
    // It was started, and ended before it got anything.
    runner = Self.logs.replay()
    _ = try await self.ask(runner, "systemctl start -- a.service")
    let refused = try? await runner.run(Self.command("\(Self.follow) --since=@99.000000")) { _ in
      throw CancellationError()
    }
    #expect(refused == nil)
    #expect(
      try await self.ask(runner, "\(Self.read) --since=@99.000000") == (1...4).map(Self.entry).joined())
    // It was ended earlier.
    runner = Self.logs.replay()
    _ = try await self.ask(runner, "systemctl start -- a.service")
    _ = await self.follow(runner, "\(Self.follow) --since=@99.000000", until: Self.entry(3))
    #expect(
      try await self.ask(runner, "\(Self.read) --cursor=s=a;i=1") == (2...4).map(Self.entry).joined())
    // It is started again and has nothing new to say.
    let again = Task { try await runner.run(Self.command("\(Self.follow) --cursor=s=a;i=4")) }
    again.cancel()
    await #expect(throws: CancellationError.self) { try await again.value }
    #expect(await self.missing(runner, "journalctl --follow --unit=b.service").contains("nearest"))
    #expect(await self.missing(runner, "journalctl --follow --all --unit=a.service").contains("nearest"))
  }

  /// Whether a unit's end comes before its journal is followed depends on the time.
  @Test func aFollowerThatWasNotRecorded() async throws {
    var recording = Recording()
    recording.add("systemctl start -- a.service")
    recording.add("\(Self.read) --since=@1.000000", Self.entry(1))
    let runner = recording.replay()
    _ = try await self.ask(runner, "systemctl start -- a.service")
    let followed = await self.follow(runner, "\(Self.follow) --since=@9.000000", until: Self.entry(1))
    #expect(followed == Self.entry(1))
    #expect(try await self.ask(runner, "\(Self.read) --cursor=s=a;i=1") == "")
  }

  @Test func aSecondRunHasLogsOfItsOwn() async throws {
    var recording = Self.logs
    recording.add("systemctl start -- a.service")
    recording.add(
      "\(Self.follow) --since=@2.000000", [(recording.now + 5, Self.entry(5))], from: recording.now + 1,
      to: nil, nil)
    let runner = recording.replay()
    _ = try await self.ask(runner, "systemctl start -- a.service")
    _ = try await self.ask(runner, "systemctl start -- a.service")
    let followed = await self.follow(runner, "\(Self.follow) --since=@99.000000", until: Self.entry(5))
    #expect(followed == Self.entry(5))
  }

  /// What a unit has logged is told before it is told that it has ended.
  @Test func linesComeBeforeAnswersThatWereLater() async throws {
    var recording = Self.logs
    recording.add(
      "systemctl show -- a.service", [(80_000, "ended")], from: 75_000, to: 85_000,
      .ended(CommandResult(termination: .exited(0), standardError: [], duration: .zero)))
    let runner = recording.replay()
    _ = try await self.ask(runner, "systemctl start -- a.service")
    let collected = Collected()
    let task = Task {
      try await runner.run(Self.command("\(Self.follow) --since=@99.000000")) { chunk in
        collected.append([UInt8(ascii: ".")])
        try await Task.sleep(for: .milliseconds(20))
        collected.append(chunk)
      }
    }
    try await eventually { !collected.text.isEmpty }
    #expect(try await self.ask(runner, "systemctl show -- a.service") == "ended")
    #expect(collected.text.contains(Self.entry(3)))
    task.cancel()
    _ = await task.result
  }

  /// A follower that ended by itself does so again.
  @Test func theEndOfAFollower() async throws {
    var recording = Recording()
    recording.add(Self.follow, Self.entry(1), status: 1, standardError: "Failed to seek to cursor")
    let output = try await recording.replay().run(Self.command(Self.follow))
    #expect(output.standardOutput == Array(Self.entry(1).utf8) && output.result.termination == .exited(1))
  }

  /// A stop during a long start: the start is answered after the stop was asked for, as when it was recorded.
  @Test func aChangeThatWaitsForAnother() async throws {
    var recording = Recording()
    recording.add("systemctl show -- a.service", "before")
    recording.add(
      "systemctl start -- a.service", [], from: 25_000, to: 90_000,
      .ended(CommandResult(termination: .exited(1), standardError: Array("canceled".utf8), duration: .zero)))
    recording.now = 30_000
    recording.add("systemctl show -- a.service", "starting")
    recording.add("systemctl stop -- a.service")
    let runner = recording.replay()
    async let start = runner.run(Self.command("systemctl start -- a.service"))
    while try await self.ask(runner, "systemctl show -- a.service") != "starting" {}
    _ = try await self.ask(runner, "systemctl stop -- a.service")
    #expect(try await start.result.termination == .exited(1))
    // And it keeps its time limit.
    await #expect(throws: CommandError.self) {
      try await recording.replay().run(
        Self.command("systemctl start -- a.service", timeLimit: .milliseconds(50)))
    }
  }

  /// What was answered while a start was under way is no answer after it.
  @Test func answersFromDuringAChange() async throws {
    var recording = Recording()
    recording.add("systemctl show -- a.service", "before")
    recording.add(
      "systemctl start -- a.service", [], from: 25_000, to: 90_000,
      .ended(CommandResult(termination: .exited(1), standardError: [], duration: .zero)))
    recording.now = 30_000
    recording.add("systemctl show -- a.service", "during")
    recording.now = 90_000
    recording.add("systemctl show -- a.service", "failed")
    let runner = recording.replay()
    _ = try await self.ask(runner, "systemctl start -- a.service")
    #expect(try await self.ask(runner, "systemctl show -- a.service") == "failed")
  }

  private static func status(_ state: String) -> String { "Id=a.service\nActiveState=\(state)\n" }

  /// A unit that was seen while its start was under way, and not again before it was stopped.
  private static func seenDuringItsStart(_ states: String...) -> Recording {
    var recording = Recording()
    recording.add("systemctl show -- a.service", Self.status("inactive"))
    recording.add(
      "systemctl start -- a.service", [], from: 25_000, to: 190_000,
      .ended(CommandResult(termination: .exited(0), standardError: [], duration: .zero)))
    recording.now = 30_000
    for state in states { recording.add("systemctl show -- a.service", Self.status(state)) }
    recording.now = 190_000
    recording.add("systemctl stop -- a.service")
    recording.add("systemctl show -- a.service", Self.status("failed"))
    return recording
  }

  /// A start can take longer than what it starts.
  @Test(arguments: [ReplaySpeed.asFastAsPossible, .times(1)])
  func theLastAnswerBeforeTheNextChangeIsFromDuringAStart(speed: ReplaySpeed) async throws {
    let runner = Self.seenDuringItsStart("inactive", "activating", "active").replay(speed)
    _ = try await self.ask(runner, "systemctl start -- a.service")
    for _ in 0..<2 {
      #expect(try await self.ask(runner, "systemctl show -- a.service") == Self.status("active"))
    }
    _ = try await self.ask(runner, "systemctl stop -- a.service")
    #expect(try await self.ask(runner, "systemctl show -- a.service") == Self.status("failed"))
  }

  /// It would be taken for the end of the unit.
  @Test(arguments: [ReplaySpeed.asFastAsPossible, .times(1)])
  func whatWasSeenBeforeSystemdTookUpAStart(speed: ReplaySpeed) async throws {
    let runner = Self.seenDuringItsStart("inactive").replay(speed)
    _ = try await self.ask(runner, "systemctl start -- a.service")
    await #expect(throws: CommandError.self) {
      try await runner.run(Self.command("systemctl show -- a.service", timeLimit: .milliseconds(50)))
    }
    _ = try await self.ask(runner, "systemctl stop -- a.service")
    #expect(try await self.ask(runner, "systemctl show -- a.service") == Self.status("failed"))
  }

  /// Rather than that a unit has not been started, which it has, nothing is told until there is something to
  /// tell.
  @Test func noAnswerFromBeforeAChangeThatWasMade() async throws {
    var recording = Recording()
    recording.add("systemctl show -- a.service", "before")
    recording.add("systemctl start -- a.service")
    recording.add("systemctl stop -- a.service")
    recording.add("systemctl show -- a.service", "after")
    let runner = recording.replay()
    #expect(try await self.ask(runner, "systemctl show -- a.service") == "before")
    _ = try await self.ask(runner, "systemctl start -- a.service")
    await #expect(throws: CommandError.self) {
      try await runner.run(Self.command("systemctl show -- a.service", timeLimit: .milliseconds(50)))
    }
    async let answer = self.ask(runner, "systemctl show -- a.service")
    _ = try await self.ask(runner, "systemctl stop -- a.service")
    #expect(try await answer == "after")
  }

  /// A unit was seen to have stopped before the command that stopped it ended, and what followed needs that
  /// to be seen.
  @Test func theEffectOfAStopIsSeenBeforeItsEnd() async throws {
    var recording = Recording()
    recording.add("systemctl start -- a.service")
    recording.add(
      "systemctl stop -- a.service", [], from: 30_000, to: 60_000,
      .ended(CommandResult(termination: .exited(0), standardError: [], duration: .zero)))
    recording.now = 30_000
    recording.add("systemctl show -- a.service", "failed")
    recording.now = 70_000
    recording.add("systemctl reset-failed -- a.service")
    recording.add("systemctl show -- a.service", "inactive")
    let runner = recording.replay()
    _ = try await self.ask(runner, "systemctl start -- a.service")
    _ = try await self.ask(runner, "systemctl stop -- a.service")
    #expect(try await self.ask(runner, "systemctl show -- a.service") == "failed")
  }

  @Test func waitingForTheNextChange() async throws {
    let runner = Self.life.replay()
    try await runner.waitForNextChange(of: UnitName("a"))
    let never = Task { try await Recording().replay().waitForNextChange(of: UnitName("a")) }
    never.cancel()
    _ = await never.result
  }
}

/// Text that comes in pieces.
private final class Collected: Sendable {
  private let kept = Mutex("")

  var text: String { self.kept.withLock { $0 } }

  func append(_ bytes: [UInt8]) { self.kept.withLock { $0 += String(decoding: bytes, as: UTF8.self) } }
}

extension Systemctl {
  /// The description of the error of a call.
  fileprivate func failure(_ call: (Systemctl) async throws -> Void) async throws -> String {
    do {
      try await call(self)
      return ""
    } catch let error as SystemdError {
      return "\(error)"
    }
  }
}
