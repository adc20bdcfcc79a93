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
    #expect(try lifecycle.observe(status("activating", ["MainPID": "42"])) == [.started])
    #expect(lifecycle.startSucceeded() == [])
    #expect(try lifecycle.observe(status("inactive")) == [.ended(ExitResult(exitCode: 0))])
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
    var lifecycle = UnitLifecycle.recovered
    #expect(try lifecycle.observe(status("inactive", ["Job": "77"])) == [])
    #expect(lifecycle.phase == .running)
    #expect(try lifecycle.observe(status("inactive")) == [.ended(ExitResult(exitCode: 0))])
  }

  @Test func theEndIsToldOnceAndStays() throws {
    var lifecycle = UnitLifecycle.recovered
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
    var lifecycle = UnitLifecycle.recovered
    #expect(try lifecycle.observe(status("active", ["InvocationID": "a", "NRestarts": "0"])) == [])
    #expect(
      try lifecycle.observe(status("activating", ["SubState": "auto-restart", "InvocationID": "a"])) == [])
    #expect(
      try lifecycle.observe(status("active", ["InvocationID": "b", "NRestarts": "1"]))
        == [.report(.restarted(unit: "x.service", count: 1))])
    #expect(lifecycle.phase == .running)
  }

  @Test func aRestartBySomebodyElseIsReported() throws {
    var lifecycle = UnitLifecycle.recovered
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
        if Int.random(in: 0..<4, using: &generator) == 0 {
          effects += lifecycle.startSucceeded()
        } else {
          let state = states.randomElement(using: &generator) ?? "active"
          effects += lifecycle.observe(
            try status(
              state,
              [
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
