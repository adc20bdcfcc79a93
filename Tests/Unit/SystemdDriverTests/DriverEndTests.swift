import NomadPlugin
import Systemd
import TestHelpers
import Testing

@testable import SystemdDriver

/// What the end of a unit is to Nomad, and what is not an end.
@Suite(.timeLimit(.minutes(1))) struct DriverEndTests {
  /// An end, and what Nomad is to hear of it.
  struct End: Sendable {
    let exit: MainProcessExit
    var result: String?
    let expected: ExitResult
    let message: String?
  }

  private static let ends = [
    End(exit: .exited(0), expected: ExitResult(exitCode: 0), message: nil),
    End(exit: .exited(7), expected: ExitResult(exitCode: 7), message: "exited with status 7"),
    End(exit: .killed(9), expected: ExitResult(exitCode: 137, signal: 9), message: "killed by signal 9"),
    End(exit: .dumped(6), expected: ExitResult(exitCode: 134, signal: 6), message: "dumped core"),
    End(
      exit: .killed(9), result: "oom-kill",
      expected: ExitResult(exitCode: 137, signal: 9, oomKilled: true), message: "out-of-memory killer"),
    End(
      exit: .killed(6), result: "watchdog", expected: ExitResult(exitCode: 134, signal: 6),
      message: "watchdog"),
    End(
      exit: .exited(0), result: "exit-code", expected: ExitResult(exitCode: 1),
      message: "which one is not known"),
  ]

  @Test(arguments: Self.ends) func anEnd(end: End) async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let id = try await driver.start("web")
      // Two wait for it, and one comes later.
      async let first = driver.waitTask(id)
      async let second = driver.waitTask(id)
      web.update { $0.endProgram(end.exit, result: end.result) }
      let result = try await first
      var expected = end.expected
      expected.message = result.message
      #expect(result == expected)
      #expect(end.message.map { result.message?.contains($0) == true } ?? (result.message == nil))
      #expect(try await second == result)
      #expect(try await driver.waitTask(id) == result)
      let status = try await driver.inspectTask(id)
      #expect(status.state == .exited && status.exitResult?.exitCode == result.exitCode)
      let (start, end) = (try #require(status.startedAt), try #require(status.completedAt))
      #expect(start <= end)
    }
  }

  @Test func aTaskThatIsNotThere() async throws {
    try await withDriver { driver, _ in
      await #expect(throws: DriverError.taskNotFound) { try await driver.waitTask("x") }
      await #expect(throws: DriverError.taskNotFound) { try await driver.inspectTask("x") }
      await #expect(throws: DriverError.taskNotFound) { try await driver.signalTask("x", signal: "SIGHUP") }
      await #expect(throws: DriverError.taskNotFound) { try await driver.destroyTask("x", force: true) }
      await #expect(throws: DriverError.taskNotFound) {
        try await driver.stopTask("x", timeout: .zero, signal: nil)
      }
    }
  }

  @Test func somebodyElseStopsTheUnit() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let id = try await driver.start("web")
      web.request(.stop)
      #expect(try await driver.waitTask(id) == ExitResult(exitCode: 0))
    }
  }

  // MARK: Restarts

  /// The states before and after are the same: only the journal hints at it.
  @Test func systemdRestartsTheUnitBetweenTwoPolls() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service") { $0.restartsOnFailure = true }
      try await driver.withLoggedTask("web") { allocation in
        try await driver.event("Started web.service")
        try await eventually("a follower") { systemd.journal.followerCount > 0 }
        web.update {
          $0.endProgram(.exited(1))
          $0.restartAfterFailure()
        }
        try await driver.event("systemd restarted web.service (restart 1)")
        let status = try await driver.inspectTask(allocation.config.id)
        #expect(status.state == .running && status.driverAttributes["restarts"] == "1")
        #expect(status.driverAttributes["invocation_id"] == web.state.invocationID)
      }
    }
  }

  @Test func thePauseBeforeARestartIsNoEnd() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service") { $0.restartsOnFailure = true }
      let id = try await driver.start("web")
      try await driver.event("Started web.service")
      web.exit(4)
      try await eventually("the pause to be seen") {
        try await driver.inspectTask(id).driverAttributes["sub_state"] == "auto-restart"
      }
      #expect(try await driver.inspectTask(id).state == .running)
      web.update { $0.restartAfterFailure() }
      try await driver.event("systemd restarted web.service (restart 1, after the result 'exit-code')")
      web.update {
        $0.restartsOnFailure = false
        $0.endProgram(.exited(7))
      }
      #expect(try await driver.waitTask(id).exitCode == 7)
    }
  }

  @Test func somebodyElseRestartsTheUnit() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      try await driver.withLoggedTask("web") { allocation in
        try await driver.event("Started web.service")
        try await eventually("a follower") { systemd.journal.followerCount > 0 }
        web.update {
          $0.request(.stop)
          $0.request(.start)
        }
        try await driver.event("web.service was restarted by somebody else and stays the task's")
        web.exit(7)
        #expect(try await driver.waitTask(allocation.config.id).exitCode == 7)
      }
    }
  }

  // MARK: What systemd forgets

  /// An OnFailure= unit can be as quick. The unit stays loaded, or not; the task has logs, or not.
  @Test(arguments: [true, false], [true, false])
  func aFailureThatSomebodyResetsBetweenTwoPolls(isReferenced: Bool, hasLogs: Bool) async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service") { $0.isReferenced = isReferenced }
      func end(_ id: String) async throws {
        try await driver.event("Started web.service")
        web.update {
          $0.endProgram(.exited(7))
          $0.resetFailed()
        }
        let result = try await driver.waitTask(id)
        #expect(result.exitCode == 7 && result.message?.contains("exited with status 7") == true)
      }
      guard hasLogs else { return try await end(try await driver.start("web")) }
      try await driver.withLoggedTask("web") { try await end($0.config.id) }
    }
  }

  /// The log follower reads what the journal says of the end: nothing more is asked.
  @Test func aCleanEndOfATaskWithLogsCostsNoFurtherCommand() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      try await driver.withLoggedTask("web") { allocation in
        try await driver.event("Started web.service")
        web.exit(0)
        #expect(try await driver.waitTask(allocation.config.id) == ExitResult(exitCode: 0))
        #expect(systemd.commands(.journalHistory).isEmpty && systemd.commands(.systemState).isEmpty)
      }
    }
  }

  @Test func nobodyTellsOfTheEnd() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let id = try await driver.start("web")
      try await driver.event("Started web.service")
      systemd.setLogsLifecycle(false)
      web.exit(0)
      #expect(try await driver.waitTask(id) == ExitResult(exitCode: 0))
      try await driver.event("neither systemd nor the journal tells how")
    }
  }

  @Test(arguments: [(true, 7), (false, 1)] as [(Bool, Int32)])
  func aUnitThatIsForgottenWhenItFails(isLogged: Bool, exitCode: Int32) async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service") { $0.isCollectedWhenFailed = true }
      let id = try await driver.start("web")
      try await driver.event("Started web.service")
      systemd.setLogsLifecycle(isLogged)
      web.exit(7)
      let result = try await driver.waitTask(id)
      #expect(result.exitCode == exitCode)
      #expect(result.message?.contains("its CollectMode= has systemd forget it") == !isLogged)
    }
  }

  // MARK: The machine goes down

  /// A stop by the machine is not the end of the task; an exit of the unit's own is.
  @Test(arguments: [true, false]) func theMachineGoesDown(isQuiet: Bool) async throws {
    try await withDriver { driver, systemd in
      let (web, other) = (systemd.add("web.service"), systemd.add("other.service"))
      let (id, otherID) = (try await driver.start("web"), try await driver.start("other"))
      for name in ["web", "other"] { try await driver.event("Started \(name).service") }
      systemd.setSystemState("stopping")
      other.exit(3)
      #expect(try await driver.waitTask(otherID).exitCode == 3)
      systemd.setLogsLifecycle(!isQuiet)
      web.request(.stop)
      try await driver.event("web.service has ended while the machine goes down")
      #expect(try await driver.inspectTask(id).exitResult == nil)
      // A stop is answered as ever; the end is told when the machine goes on after all.
      try await driver.stopTask(id, timeout: .seconds(1), signal: nil)
      #expect(try await driver.inspectTask(id).exitResult == nil)
      systemd.setSystemState("running")
      #expect(try await driver.waitTask(id) == ExitResult(exitCode: 0))
    }
  }

  @Test func aUnitWhoseFileIsGone() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let id = try await driver.start("web")
      try await driver.event("Started web.service")
      web.update { $0.loadState = .notFound }
      try await driver.event("web.service runs, but its file is gone")
      web.exit(7)
      #expect(try await driver.waitTask(id).exitCode == 7)
    }
  }
}
