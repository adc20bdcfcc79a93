import Transcripts
import NomadPlugin
import Testing

@testable import Systemd
@testable import SystemdDriver

extension UnitLifecycle {
  /// How a unit that is down has ended, by what the journal and systemd say of it.
  fileprivate mutating func result(
    _ history: UnitHistory = UnitHistory(), _ commands: ServiceCommands? = nil
  ) -> ExitResult? {
    guard case .ended(let result)? = self.conclude(history, commands).last else { return nil }
    return result
  }
}

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
    #expect(try lifecycle.observe(status("inactive")) == [.down])
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
    #expect(try lifecycle.startFailed(status("failed", properties), history: nil) == [.started, .down])
    #expect(lifecycle.result()?.exitCode == 3)
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
    #expect(lifecycle.startFailed(forgotten, history: history) == [.started, .down])
    #expect(lifecycle.result(history)?.exitCode == 9)
  }

  /// systemctl lost its connection.
  @Test func aProgramThatHasSucceededAlthoughItsStartFailed() throws {
    var lifecycle = UnitLifecycle()
    let forgotten = try status("inactive", ["Type": "simple"])
    let history = try history("b", result: "success", status: 0)
    #expect(lifecycle.startFailed(forgotten, history: history) == [.started, .down])
    #expect(lifecycle.result(history) == ExitResult(exitCode: 0))
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

  /// A unit that was seen to run, and that is down now.
  private func down(_ properties: [String: String] = [:], before: UnitStatus? = nil) throws -> UnitLifecycle {
    var lifecycle = UnitLifecycle()
    #expect(try lifecycle.observe(status("active", ["InvocationID": "a"])) == [.started])
    if let before { _ = lifecycle.observe(before) }
    #expect(try lifecycle.observe(status("inactive", properties)) == [.down])
    return lifecycle
  }

  @Test func ofAUnitThatIsForgottenTheJournalTells() throws {
    for (result, exitCode) in [("success", Int32(0)), ("exit-code", 9)] {
      for properties in [[:], ["CollectMode": "inactive-or-failed"], ["LoadState": "not-found"]] {
        var lifecycle = try self.down(properties)
        #expect(lifecycle.needsHistory(UnitHistory()))
        let history = try history("a", result: result, status: exitCode)
        #expect(!lifecycle.needsHistory(history))
        let end = lifecycle.result(history)
        #expect(end?.exitCode == exitCode && (end?.message == nil) == (exitCode == 0))
        #expect(lifecycle.endTime?.microseconds == 1)
      }
    }
  }

  @Test func nobodyTellsAndNothingSpeaksForAFailure() throws {
    var lifecycle = try self.down()
    // Another run's end is not this one's.
    let effects = lifecycle.conclude(try history("b", result: "exit-code", status: 9))
    #expect(effects == [.report(.endUnknown(unit: "x.service")), .ended(ExitResult(exitCode: 0))])
  }

  @Test func anEndThatNobodyTellsIsNotAGoodOne() throws {
    for properties in [["CollectMode": "inactive-or-failed"], ["LoadState": "not-found"]] {
      var lifecycle = UnitLifecycle(recovered: "a", isSameBoot: true)
      #expect(try lifecycle.observe(status("inactive", properties)) == [.down])
      let end = lifecycle.result()
      #expect(end?.exitCode == 1 && end?.message?.contains("not known") == true)
    }
  }

  @Test func theStartJobIsAWitness() throws {
    var lifecycle = UnitLifecycle()
    let running = ["Type": "oneshot", "SubState": "start", "MainPID": "42", "InvocationID": "a"]
    #expect(try lifecycle.observe(status("activating", running)) == [.started])
    #expect(try lifecycle.startFailed(status("inactive", ["Type": "oneshot"]), history: nil) == [])
    #expect(try lifecycle.observe(status("inactive", ["Type": "oneshot"])) == [.down])
    let end = lifecycle.result()
    #expect(end?.exitCode == 1 && end?.message?.contains("its start job failed") == true)
  }

  @Test func aFailureIsResetAndTheUnitStaysLoaded() throws {
    let reset = [
      "InvocationID": "a", "ExecMainCode": "1", "ExecMainStatus": "9", "Result": "success", "Type": "simple",
    ]
    var journalTells = try self.down(reset)
    #expect(journalTells.needsHistory(UnitHistory()))
    #expect(journalTells.result(try history("a", result: "exit-code", status: 9))?.exitCode == 9)
    // Where the journal is silent the settings tell whether the status is a failure.
    let commands = "InvocationID=a\nType=simple\nExecMainCode=1\nExecMainStatus=9\nSuccessExitStatus="
    for (success, exitCode) in [("", Int32(9)), ("9", 0)] {
      var lifecycle = try self.down(reset)
      #expect(lifecycle.needsCommands(UnitHistory()))
      let known = ServiceCommands(Array("\(commands)\(success)\n".utf8))
      #expect(lifecycle.result(UnitHistory(), known)?.exitCode == exitCode)
    }
  }

  /// The unit is inactive with the result of a failure: loaded in plain sight, unloaded as it was seen before.
  @Test func aRestartThatIsPassedOver() throws {
    let failure = [
      "InvocationID": "a", "ExecMainCode": "1", "ExecMainStatus": "7", "Result": "exit-code",
      "Type": "simple",
    ]
    let pause = try status("activating", failure.merging(["SubState": "auto-restart"]) { $1 })
    for var lifecycle in [try self.down(failure), try self.down(before: pause)] {
      var stopped = lifecycle
      let end = lifecycle.result()
      #expect(end?.exitCode == 7 && end?.message?.contains("passed over its restart") == true)
      stopped.stopRequested()
      #expect(stopped.result() == ExitResult(exitCode: 0))
    }
  }

  @Test(arguments: [UnitLifecycle.Continuity.interrupted, .disconnected])
  func whatSystemdSaysTooLate(continuity: UnitLifecycle.Continuity) throws {
    var lifecycle = UnitLifecycle()
    #expect(try lifecycle.observe(status("active", ["InvocationID": "a"])) == [.started])
    #expect(try lifecycle.observe(status("inactive"), continuity: continuity) == [.down])
    // A systemd that was away may be another one.
    #expect(lifecycle.result()?.exitCode == (continuity == .disconnected ? 1 : 0))
  }

  // MARK: Stops

  @Test func aUnitThatIsStartedAgainAtOnceHasEnded() throws {
    var lifecycle = UnitLifecycle()
    #expect(try lifecycle.observe(status("active", ["InvocationID": "a"])) == [.started])
    lifecycle.stopRequested()
    lifecycle.stopSucceeded(of: "a")
    for state in ["active", "activating", "failed"] {
      var other = lifecycle
      #expect(try other.observe(status(state, ["InvocationID": "b", "Result": "exit-code"])) == [.down])
      #expect(other.isStartedAgain && other.result() == ExitResult(exitCode: 0))
    }
    var failed = lifecycle
    #expect(try failed.observe(status("active", ["InvocationID": "b"])) == [.down])
    #expect(failed.result(try history("a", result: "exit-code", status: 9))?.exitCode == 9)
    #expect(try lifecycle.observe(status("deactivating", ["InvocationID": "a"])) == [])
    #expect(try lifecycle.observe(status("inactive", ["InvocationID": "a"])) == [.down])
    #expect(!lifecycle.isStartedAgain && lifecycle.result() == ExitResult(exitCode: 0))
  }

  @Test func onlyAStopByOthersMayBeTheMachines() throws {
    var lifecycle = try self.down()
    #expect(lifecycle.mayBeStoppedByShutdown(UnitHistory()))
    // It has ended by itself.
    #expect(!lifecycle.mayBeStoppedByShutdown(try history("a", result: "success", status: 0)))
    lifecycle.stopRequested()
    #expect(!lifecycle.mayBeStoppedByShutdown(UnitHistory()))
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
    _ = lifecycle.conclude(UnitHistory())
    #expect(lifecycle.startTime == RealtimeTimestamp(began) && lifecycle.startTime != nil)
    #expect(lifecycle.endTime == RealtimeTimestamp(ended) && lifecycle.endTime != nil)
    // What systemd has forgotten is kept.
    _ = try forgotten.observe(status("inactive"))
    _ = forgotten.conclude(UnitHistory())
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
    #expect(try lifecycle.observe(status("inactive")) == [.down])
  }

  @Test func anEarlierRunThatIsStillStoppingDoesNotCount() throws {
    var lifecycle = UnitLifecycle()
    #expect(try lifecycle.observe(status("deactivating", ["MainPID": "42"])) == [])
  }

  @Test func aRestartGoesThroughInactive() throws {
    var lifecycle = UnitLifecycle(recovered: nil, isSameBoot: true)
    #expect(try lifecycle.observe(status("inactive", ["Job": "77"])) == [])
    #expect(lifecycle.phase == .running)
    #expect(try lifecycle.observe(status("inactive")) == [.down])
  }

  @Test func theEndIsToldOnceAndStays() throws {
    var lifecycle = UnitLifecycle(recovered: nil, isSameBoot: true)
    let failed = try status("failed", ["Result": "exit-code", "ExecMainCode": "1", "ExecMainStatus": "3"])
    #expect(lifecycle.observe(failed) == [.down])
    #expect(lifecycle.observe(failed) == [])
    let result = lifecycle.result()
    #expect(result?.exitCode == 3)
    #expect(lifecycle.observe(failed) == [] && lifecycle.conclude(UnitHistory()) == [])
    // Somebody starts the unit again: that is another run.
    #expect(try lifecycle.observe(status("active")) == [])
    #expect(lifecycle.phase == result.map { .ended($0) })
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

  /// A reset-failed sets the count of restarts to 0.
  @Test func aRestartBySystemdAfterAReset() throws {
    var lifecycle = UnitLifecycle(recovered: nil, isSameBoot: true)
    #expect(try lifecycle.observe(status("active", ["InvocationID": "a", "NRestarts": "3"])) == [])
    var unseen = lifecycle
    #expect(
      try lifecycle.observe(
        status("activating", ["SubState": "auto-restart", "InvocationID": "a", "Result": "signal"])) == [])
    #expect(
      try lifecycle.observe(status("active", ["InvocationID": "b", "NRestarts": "0"]))
        == [.report(.restarted(unit: "x.service", count: 0, reason: "signal"))])
    #expect(
      try unseen.observe(status("active", ["InvocationID": "b", "NRestarts": "1"]))
        == [.report(.restarted(unit: "x.service", count: 1, reason: nil))])
  }

  @Test func aRestartThatHasNoJob() throws {
    var lifecycle = UnitLifecycle(recovered: "a", isSameBoot: true)
    let queued = try status("activating", ["SubState": "auto-restart-queued", "InvocationID": "a"])
    let now = ContinuousClock.now
    #expect(lifecycle.observe(queued, now: now) == [])
    #expect(lifecycle.observe(queued, now: now + .seconds(29)) == [])
    var withJob = lifecycle
    #expect(
      lifecycle.observe(queued, now: now + .seconds(30)) == [.report(.restartStuck(unit: "x.service"))])
    #expect(lifecycle.observe(queued, now: now + .seconds(60)) == [])
    let job = try status("activating", ["SubState": "auto-restart-queued", "InvocationID": "a", "Job": "7"])
    #expect(withJob.observe(job, now: now + .seconds(29.5)) == [])
    #expect(withJob.observe(queued, now: now + .seconds(31)) == [])
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
        case 2: effects += lifecycle.conclude(UnitHistory())
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
        #expect(effects.count { $0 == .down } == 1)
      }
    }
  }
}
