import Transcripts
import NomadPlugin
import Systemd
import Testing

@testable import SystemdDriver

@Suite struct UnitLifecycleTests {
  @Test func whatTheUnitWasBeforeTheStartDoesNotCount() throws {
    var lifecycle = UnitLifecycle()
    #expect(try lifecycle.observe(status("inactive")) == [])
    #expect(try lifecycle.observe(status("failed", ["Result": "exit-code"])) == [])
    #expect(try lifecycle.observe(status("activating")) == [])
    #expect(lifecycle.phase == .starting)
  }

  @Test func theRunThatIsReplacedDoesNotCount() throws {
    var lifecycle = UnitLifecycle(previousInvocationID: "a")
    #expect(try lifecycle.observe(status("active", ["InvocationID": "a"])) == [])
    #expect(try lifecycle.observe(status("active", ["InvocationID": "b"])) == [.started])
  }

  @Test func theStartJobIsDone() throws {
    var lifecycle = UnitLifecycle()
    #expect(lifecycle.startSucceeded() == [.started])
    #expect(lifecycle.startSucceeded() == [])
    #expect(try lifecycle.observe(status("active")) == [])
    #expect(lifecycle.phase == .running)
  }

  @Test func theProgramRunsBeforeTheStartJobIsDone() throws {
    var lifecycle = UnitLifecycle()
    let preparing = ["Type": "oneshot", "SubState": "start-pre", "ControlPID": "41"]
    #expect(try lifecycle.observe(status("activating", preparing)) == [])
    let running = ["Type": "oneshot", "SubState": "start", "MainPID": "42"]
    #expect(try lifecycle.observe(status("activating", running)) == [.started])
    #expect(lifecycle.startSucceeded() == [])
    #expect(try lifecycle.observe(status("inactive")) == [.ended(ExitResult(exitCode: 0))])
  }

  @Test(arguments: [
    ["Type": "notify", "MainPID": "42"], ["Type": "dbus", "MainPID": "42"],
    ["Type": "forking", "ControlPID": "42"],
  ])
  func aServiceIsGivenTimeToBecomeReady(properties: [String: String]) throws {
    var lifecycle = UnitLifecycle()
    let status = try status("activating", properties.merging(["SubState": "start"]) { $1 })
    #expect(lifecycle.observe(status) == [])
    #expect(lifecycle.observe(status, waited: .milliseconds(2999)) == [])
    #expect(lifecycle.observe(status, waited: .seconds(3)) == [.started])
  }

  @Test func aServiceThatWaitsToBeStartedAgainDoesNotRun() throws {
    var lifecycle = UnitLifecycle()
    let waiting = try status("activating", ["Type": "notify", "SubState": "auto-restart"])
    #expect(lifecycle.observe(waiting, waited: .seconds(60)) == [])
  }

  // MARK: Start jobs that fail

  @Test(arguments: ["notify", "dbus", "forking"])
  func aStartJobThatFails(type: String) throws {
    var lifecycle = UnitLifecycle()
    let failed = try status(
      "failed",
      ["Type": type, "Result": "exit-code", "ExecMainCode": "1", "ExecMainStatus": "3", "InvocationID": "b"])
    #expect(lifecycle.startFailed(failed, history: nil) == nil)
    #expect(lifecycle.phase == .starting)
  }

  @Test(arguments: ["oneshot", "exec", "simple", "idle"]) func aProgramThatFailsHasRun(type: String) throws {
    var lifecycle = UnitLifecycle(previousInvocationID: "a")
    let properties = [
      "Type": "oneshot", "Result": "exit-code", "ExecMainCode": "1", "ExecMainStatus": "3",
      "InvocationID": "b",
    ]
    let effects = try lifecycle.startFailed(status("failed", properties), history: nil)
    #expect(effects?.first == .started)
    guard case .ended(let result)? = effects?.last else { return #expect(Bool(false), "it has ended") }
    #expect(result.exitCode == 3)
    #expect(lifecycle.phase == .ended(result))
  }

  @Test(arguments: [
    // The program could not be run, another process failed, the failure is the run's before.
    ["ExecMainCode": "1", "ExecMainStatus": "203", "InvocationID": "b"],
    ["ExecMainCode": "0", "ExecMainStatus": "0", "InvocationID": "b"],
    ["ExecMainCode": "1", "ExecMainStatus": "3", "InvocationID": "a"],
  ])
  func theProgramOfAOneshotThatHasNotRun(properties: [String: String]) throws {
    var lifecycle = UnitLifecycle(previousInvocationID: "a")
    let failed = try status("failed", properties.merging(["Type": "oneshot", "Result": "exit-code"]) { $1 })
    #expect(lifecycle.startFailed(failed, history: nil) == nil)
  }

  @Test func theProgramOfAOneshotThatIsForgottenHasRun() throws {
    var lifecycle = UnitLifecycle()
    let forgotten = try status("inactive", ["Type": "oneshot", "CollectMode": "inactive-or-failed"])
    #expect(lifecycle.startFailed(forgotten, history: UnitHistory()) == nil)
    let history = try history("b", result: "exit-code", status: 9)
    let effects = lifecycle.startFailed(forgotten, history: history)
    guard case .ended(let result)? = effects?.last else { return #expect(Bool(false), "it has ended") }
    #expect(result.exitCode == 9)
  }

  /// systemctl lost its connection.
  @Test func aProgramThatHasSucceededAlthoughItsStartFailed() throws {
    var lifecycle = UnitLifecycle()
    let forgotten = try status("inactive", ["Type": "simple"])
    let effects = lifecycle.startFailed(forgotten, history: try history("b", result: "success", status: 0))
    #expect(effects == [.started, .ended(ExitResult(exitCode: 0))])
  }

  @Test func aStartThatSystemdTriesAgain() throws {
    var lifecycle = UnitLifecycle()
    let waiting = try status(
      "activating", ["Type": "notify", "SubState": "auto-restart", "Result": "exit-code"])
    #expect(lifecycle.startFailed(waiting, history: nil) == [.started])
    #expect(lifecycle.phase == .running)
  }

  @Test func aRestartThatIsRefusedHasFailed() throws {
    var lifecycle = UnitLifecycle(previousInvocationID: "a")
    #expect(try lifecycle.startFailed(status("active", ["InvocationID": "a"]), history: nil) == nil)
    #expect(lifecycle.phase == .starting)
  }

  // MARK: Ends that systemd forgets

  @Test func aUnitThatIsForgottenHasEndedCleanly() throws {
    var lifecycle = UnitLifecycle()
    #expect(try lifecycle.observe(status("active", ["InvocationID": "a"])) == [.started])
    #expect(try lifecycle.observe(status("inactive")) == [.ended(ExitResult(exitCode: 0))])
  }

  @Test(arguments: [["CollectMode": "inactive-or-failed"], ["LoadState": "not-found"]])
  func ofAUnitThatMayHaveFailedTheJournalTells(properties: [String: String]) throws {
    for (result, exitCode) in [("success", Int32(0)), ("exit-code", 9)] {
      var lifecycle = UnitLifecycle()
      #expect(try lifecycle.observe(status("active", ["InvocationID": "a"])) == [.started])
      let forgotten = try status("inactive", properties)
      #expect(lifecycle.observe(forgotten) == [.consultJournal])
      #expect(lifecycle.phase == .running)
      let effects = lifecycle.observe(forgotten, history: try history("a", result: result, status: exitCode))
      guard case .ended(let end)? = effects.last else { return #expect(Bool(false), "it has ended") }
      #expect(end.exitCode == exitCode)
      #expect((end.message == nil) == (exitCode == 0))
      #expect(lifecycle.endTime?.microseconds == 1)
    }
  }

  @Test func anEndThatNobodyTellsIsNotAGoodOne() throws {
    for properties in [["CollectMode": "inactive-or-failed"], ["LoadState": "not-found"]] {
      var lifecycle = UnitLifecycle(recovered: "a", isSameBoot: true)
      let forgotten = try status("inactive", properties)
      // Another run's end is not this one's.
      let effects = lifecycle.observe(forgotten, history: try history("b", result: "success", status: 0))
      guard case .ended(let end)? = effects.last else { return #expect(Bool(false), "it has ended") }
      #expect(end.exitCode == 1)
      #expect(end.message?.contains("not known") == true)
    }
  }

  @Test func whatEndedWhileNobodyWatchedIsAskedOfTheJournal() throws {
    // Somebody may have reset it.
    var forgotten = UnitLifecycle(recovered: "a", isSameBoot: true)
    #expect(try forgotten.observe(status("inactive")) == [.consultJournal])
    #expect(
      try forgotten.observe(status("inactive"), history: UnitHistory()) == [.ended(ExitResult(exitCode: 0))])
    var kept = UnitLifecycle(recovered: "a", isSameBoot: true)
    let reset = try status(
      "inactive", ["InvocationID": "a", "ExecMainCode": "1", "ExecMainStatus": "9", "Result": "success"])
    #expect(kept.observe(reset) == [.consultJournal])
    guard
      case .ended(let end)? = kept.observe(reset, history: try history("a", result: "exit-code", status: 9))
        .last
    else { return #expect(Bool(false), "it has ended") }
    #expect(end.exitCode == 9)
  }

  /// The watcher looks again while the journal is being asked.
  @Test func anEndIsNotToldBeforeTheJournalHasAnswered() throws {
    var lifecycle = UnitLifecycle(recovered: "a", isSameBoot: true)
    let forgotten = try status("inactive")
    for _ in 0..<3 { #expect(lifecycle.observe(forgotten) == [.consultJournal]) }
    let effects = lifecycle.observe(forgotten, history: try history("a", result: "exit-code", status: 9))
    guard case .ended(let end)? = effects.last else { return #expect(Bool(false), "it has ended") }
    #expect(end.exitCode == 9)
  }

  @Test func aUnitThatWasSeenToRunIsWatchedFromThenOn() throws {
    var lifecycle = UnitLifecycle(recovered: "a", isSameBoot: false)
    #expect(try lifecycle.observe(status("active", ["InvocationID": "a"])) == [])
    #expect(try lifecycle.observe(status("inactive")) == [.ended(ExitResult(exitCode: 0))])
  }

  @Test(arguments: [UnitLifecycle.Continuity.interrupted, .disconnected])
  func whatSystemdSaysTooLateIsAskedOfTheJournal(continuity: UnitLifecycle.Continuity) throws {
    var lifecycle = UnitLifecycle()
    #expect(try lifecycle.observe(status("active", ["InvocationID": "a"])) == [.started])
    let forgotten = try status("inactive")
    #expect(lifecycle.observe(forgotten, continuity: continuity) == [.consultJournal])
    // The next look is in time, and knows no more.
    #expect(lifecycle.observe(forgotten) == [.consultJournal])
    var silent = lifecycle
    let effects = lifecycle.observe(forgotten, history: try history("a", result: "exit-code", status: 9))
    guard case .ended(let end)? = effects.last else { return #expect(Bool(false), "it has ended") }
    #expect(end.exitCode == 9)
    // A systemd that was away may be another one.
    guard case .ended(let unknown)? = silent.observe(forgotten, history: UnitHistory()).last else {
      return #expect(Bool(false), "it has ended")
    }
    #expect(unknown.exitCode == (continuity == .disconnected ? 1 : 0))
  }

  // MARK: Times

  @Test func theTimesAreSystemds() throws {
    var lifecycle = UnitLifecycle()
    let began = "Thu 2026-11-26 10:00:00.000000 UTC"
    let left = "Thu 2026-11-26 11:00:00.000000 UTC"
    let ended = "Thu 2026-11-26 12:00:00.000000 UTC"
    _ = try lifecycle.observe(status("active", ["InvocationID": "a", "ExecMainStartTimestamp": began]))
    var forgotten = lifecycle
    // Its program has ended before the unit (RemainAfterExit=).
    _ = try lifecycle.observe(
      status(
        "inactive",
        [
          "InvocationID": "a", "ExecMainStartTimestamp": began, "ExecMainExitTimestamp": left,
          "InactiveEnterTimestamp": ended,
        ]))
    #expect(lifecycle.startTime == RealtimeTimestamp(began) && lifecycle.startTime != nil)
    #expect(lifecycle.endTime == RealtimeTimestamp(ended) && lifecycle.endTime != nil)
    // What systemd has forgotten is kept.
    _ = try forgotten.observe(status("inactive"))
    #expect(forgotten.startTime == RealtimeTimestamp(began) && forgotten.invocationID == "a")
    // One that is handed back has not ended: when it did before is of no matter.
    var handedBack = UnitLifecycle()
    _ = try handedBack.observe(status("active", ["InactiveEnterTimestamp": left]))
    _ = handedBack.leave()
    #expect(handedBack.endTime == nil)
  }

  // MARK: Events

  @Test func aNeededReloadIsReportedOnce() throws {
    var lifecycle = UnitLifecycle(recovered: nil, isSameBoot: true)
    let changed = try status("active", ["NeedDaemonReload": "yes"])
    #expect(lifecycle.observe(changed) == [.report(.needsDaemonReload(unit: "x.service"))])
    #expect(lifecycle.observe(changed) == [])
    #expect(try lifecycle.observe(status("active", ["NeedDaemonReload": "no"])) == [])
    #expect(lifecycle.observe(changed) == [.report(.needsDaemonReload(unit: "x.service"))])
  }

  @Test func aUnitWhoseFileIsGoneRunsOn() throws {
    var lifecycle = UnitLifecycle(recovered: nil, isSameBoot: true)
    let gone = try status("active", ["LoadState": "not-found"])
    #expect(lifecycle.observe(gone) == [.report(.undefined(unit: "x.service"))])
    #expect(lifecycle.observe(gone) == [])
    #expect(lifecycle.phase == .running)
  }

  @Test func aRestartThatNobodySawIsReported() throws {
    var bySystemd = UnitLifecycle(recovered: "a", isSameBoot: true)
    #expect(
      try bySystemd.observe(status("active", ["InvocationID": "c", "NRestarts": "2"]))
        == [.report(.restarted(unit: "x.service", count: 2, reason: nil))])
    var bySomebody = UnitLifecycle(recovered: "a", isSameBoot: true)
    #expect(
      try bySomebody.observe(status("active", ["InvocationID": "c", "NRestarts": "0"]))
        == [.report(.replaced(unit: "x.service"))])
  }

  @Test func aOneshotThatHasEndedWhenItsStartIsDone() throws {
    var lifecycle = UnitLifecycle()
    #expect(lifecycle.startSucceeded() == [.started])
    #expect(try lifecycle.observe(status("inactive")) == [.ended(ExitResult(exitCode: 0))])
  }

  @Test func anEarlierRunThatIsStillStoppingDoesNotCount() throws {
    var lifecycle = UnitLifecycle()
    #expect(try lifecycle.observe(status("deactivating", ["MainPID": "42"])) == [])
  }

  @Test func aRestartGoesThroughInactive() throws {
    var lifecycle = UnitLifecycle(recovered: nil, isSameBoot: true)
    #expect(try lifecycle.observe(status("inactive", ["Job": "77"])) == [])
    #expect(lifecycle.phase == .running)
    #expect(try lifecycle.observe(status("inactive")) == [.ended(ExitResult(exitCode: 0))])
  }

  @Test func theEndIsToldOnceAndStays() throws {
    var lifecycle = UnitLifecycle(recovered: nil, isSameBoot: true)
    let failed = try status("failed", ["Result": "exit-code", "ExecMainCode": "1", "ExecMainStatus": "3"])
    guard case .ended(let result)? = lifecycle.observe(failed).last else {
      return #expect(Bool(false), "it has ended")
    }
    #expect(result.exitCode == 3)
    #expect(lifecycle.observe(failed) == [])
    // Somebody starts the unit again: that is another run.
    #expect(try lifecycle.observe(status("active")) == [])
    #expect(lifecycle.phase == .ended(result))
  }

  @Test func restartsBySystemdAreReported() throws {
    var lifecycle = UnitLifecycle(recovered: nil, isSameBoot: true)
    #expect(try lifecycle.observe(status("active", ["InvocationID": "a", "NRestarts": "0"])) == [])
    #expect(
      try lifecycle.observe(
        status(
          "activating",
          ["SubState": "auto-restart", "InvocationID": "a", "Result": "exit-code", "NRestarts": "1"])) == [])
    #expect(
      try lifecycle.observe(status("active", ["InvocationID": "b", "NRestarts": "1"]))
        == [.report(.restarted(unit: "x.service", count: 1, reason: "exit-code"))])
    #expect(lifecycle.phase == .running)
  }

  @Test func aRestartBeforeTheFirstLookIsReported() throws {
    var lifecycle = UnitLifecycle()
    _ = lifecycle.startSucceeded()
    #expect(
      try lifecycle.observe(status("active", ["InvocationID": "b", "NRestarts": "2"]))
        == [.report(.restarted(unit: "x.service", count: 2, reason: nil))])
  }

  @Test func restartsBeforeTheUnitWasAdoptedAreNotReported() throws {
    let adopted = try status("active", ["InvocationID": "b", "NRestarts": "2"])
    var lifecycle = UnitLifecycle(adopting: adopted)
    #expect(lifecycle.startSucceeded() == [.started])
    #expect(lifecycle.observe(adopted) == [])
    #expect(
      try lifecycle.observe(status("active", ["InvocationID": "c", "NRestarts": "3"]))
        == [.report(.restarted(unit: "x.service", count: 3, reason: nil))])
  }

  @Test func aRestartBySomebodyElseIsReported() throws {
    var lifecycle = UnitLifecycle(recovered: nil, isSameBoot: true)
    #expect(try lifecycle.observe(status("active", ["InvocationID": "a", "NRestarts": "0"])) == [])
    #expect(
      try lifecycle.observe(status("active", ["InvocationID": "b", "NRestarts": "0"]))
        == [.report(.replaced(unit: "x.service"))])
  }

  /// Whatever systemd says, in any order: the end is told at most once, and nothing after it.
  @Test func generatedSequences() throws {
    var generator = SystemRandomNumberGenerator()
    let states = ["active", "activating", "deactivating", "reloading", "inactive", "failed"]
    for _ in 0..<2000 {
      var lifecycle = UnitLifecycle()
      var effects: [UnitLifecycle.Effect] = []
      for _ in 0..<12 {
        switch Int.random(in: 0..<8, using: &generator) {
        case 0: effects += lifecycle.startSucceeded()
        case 1: effects += try lifecycle.startFailed(status("failed"), history: nil) ?? []
        default:
          let state = states.randomElement(using: &generator) ?? "active"
          effects += lifecycle.observe(
            try status(
              state,
              [
                "Type": "oneshot", "SubState": "start",
                "MainPID": "\(Int.random(in: 0..<2, using: &generator))",
                "InvocationID": Bool.random(using: &generator) ? "a" : "b", "Result": "exit-code",
              ]))
        }
      }
      #expect(effects.count { $0 == .started } <= 1)
      let ends = effects.indices.filter { if case .ended = effects[$0] { true } else { false } }
      #expect(ends.count <= 1)
      if let end = ends.first {
        #expect(effects.firstIndex(of: .started).map { $0 < end } == true)
        #expect(end == effects.count - 1)
      }
    }
  }
}
