import MessagePack
import NomadPlugin
import Systemd
import TestHelpers
import Testing

@testable import SystemdDriver

/// systemctl and journalctl that fail, or cannot be reached, at each step of a task's life.
@Suite(.timeLimit(.minutes(1))) struct DriverFailureTests {
  // MARK: Before the start

  @Test func systemdIsBackAMomentLater() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      systemd.fail(.show, .unreachable, times: 1)
      _ = try await driver.start("web")
      #expect(web.state.runCount == 1)
    }
  }

  @Test(arguments: [FakeFailure.unreachable, .accessDenied, .notExecutable, .timedOut])
  func theUnitCannotBeShown(failure: FakeFailure) async throws {
    try await withDriver { driver, systemd in
      systemd.add("web.service")
      systemd.fail(.show, failure)
      let config = try TaskConfig.test(unit: "web")
      let error = await #expect(throws: DriverError.self) { try await driver.startTask(config) }
      #expect(error?.isRecoverable == true)
      #expect(error?.description.hasPrefix("systemctl show web.service failed") == true)
      #expect(systemd.commands(.start).isEmpty)
      #expect(try await !driver.knows(config.id))
    }
  }

  /// Behind a prefix the clock may be another one, so the journal itself says where it is.
  @Test func thePresentOfTheJournalIsNotKnown() async throws {
    try await withDriver(FakeSystemd(), ["command_prefix": ["/usr/bin/env"]]) { driver, systemd in
      let web = systemd.add("web.service")
      web.print("earlier")
      let first = try await driver.startTask(.test(unit: "web"))
      let cursor = try #require(systemd.journal.cursors.first)
      #expect(try DriverState(first.driverState).logs == .after(cursor))
      #expect(try DriverState(first.driverState).bootID == nil)
      systemd.add("other.service")
      systemd.fail(.journalEnd, .exit(1, "No journal files were found."))
      let second = try await driver.startTask(.test(unit: "other"))
      guard case .since = try DriverState(second.driverState).logs else {
        Issue.record("the logs begin elsewhere")
        return
      }
    }
  }

  // MARK: The start

  @Test(
    arguments: [
      (.accessDenied, false), (.notExecutable, false),
      (.exit(4, "Operation refused, unit web.service may be requested by dependency only"), false),
      (.unreachable, true), (.timedOut, true),
      (.exit(1, "Job for web.service failed because a timeout was exceeded."), true),
    ] as [(FakeFailure, Bool)])
  func theStartFails(failure: FakeFailure, isRecoverable: Bool) async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      systemd.fail(.start, failure, times: 1)
      let config = try TaskConfig.test(unit: "web")
      let error = await #expect(throws: DriverError.self) { try await driver.startTask(config) }
      #expect(error?.isRecoverable == isRecoverable)
      #expect(error?.description.hasPrefix("systemctl start web.service failed") == true)
      #expect(try await !driver.knows(config.id))
      #expect(web.state.runCount == 0)
      // Nothing is left that would keep the task from being started.
      _ = try await driver.startTask(config)
      #expect(web.state.runCount == 1)
    }
  }

  /// As PID 1 executes itself anew, it drops the connection of a systemctl that waits.
  @Test func theStartFailsAndTheUnitRuns() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      systemd.fail(.start, .unreachable, isDone: true, times: 1)
      let id = try await driver.start("web")
      web.exit(7)
      #expect(try await driver.waitTask(id).exitCode == 7)
    }
  }

  /// The same, and the unit has ended and is forgotten: the journal knows what became of it.
  @Test(arguments: [(0, true), (7, true), (0, false)] as [(Int32, Bool)])
  func theStartFailsAndTheUnitHasRun(status: Int32, isLogged: Bool) async throws {
    try await withDriver { driver, systemd in
      systemd.setLogsLifecycle(isLogged)
      systemd.add("web.service") {
        $0.exitsAtOnce = .exited(status)
        $0.isCollectedWhenFailed = true
      }
      systemd.fail(.start, .unreachable, isDone: true, times: 1)
      guard isLogged else {
        // Nobody knows whether it has run.
        let error = await #expect(throws: DriverError.self) { try await driver.start("web") }
        #expect(error?.isRecoverable == true)
        return
      }
      let id = try await driver.start("web")
      #expect(try await driver.waitTask(id).exitCode == status)
    }
  }

  @Test func theStartFailsAndTheUnitCannotBeShown() async throws {
    try await withDriver { driver, systemd in
      systemd.add("web.service") {
        $0.serviceType = "notify"
        $0.exitsAtOnce = .exited(5)
      }
      let command = systemd.hold(.start, .after)
      let config = try TaskConfig.test(unit: "web")
      let start = Task { try await driver.startTask(config) }
      try await command.arrived()
      systemd.fail(.show, .accessDenied)
      command.resume()
      let error = await #expect(throws: DriverError.self) { try await start.value }
      #expect(error?.description.contains("Job for web.service failed") == true)
      #expect(try await !driver.knows(config.id))
    }
  }

  @Test func theStartSucceedsAndTheUnitCannotBeShown() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let command = systemd.hold(.start)
      let start = Task { try await driver.start("web") }
      try await command.arrived()
      systemd.fail(.show, .unreachable)
      systemd.fail(.listUnits, .unreachable)
      command.resume()
      let id = try await start.value
      systemd.recover(.show)
      systemd.recover(.listUnits)
      try await driver.event("Started web.service")
      web.exit(7)
      #expect(try await driver.waitTask(id).exitCode == 7)
    }
  }

  @Test func theJournalDoesNotTellWhetherTheStartWasSkipped() async throws {
    try await withDriver { driver, systemd in
      systemd.add("web.service") {
        $0.fragmentPath = "/no/such/directory/web.service"
        $0.unmetCondition = "ConditionPathExists=/no/such/path"
      }
      systemd.fail(.journalSync, .accessDenied)
      let error = await #expect(throws: DriverError.self) { try await driver.start("web") }
      #expect(error?.description.contains("journalctl --sync failed") == true)
    }
  }

  // MARK: While the task runs

  @Test func systemdCannotBeReachedForAWhile() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let id = try await driver.start("web")
      try await driver.event("Started web.service")
      try await self.interrupt(systemd) { web.exit(7) }
      #expect(try await driver.waitTask(id).exitCode == 7)
    }
  }

  /// What was forgotten while systemd could not be asked, only the journal can tell.
  @Test(arguments: [true, false]) func aFailureIsForgottenWhileSystemdCannotBeReached(isLogged: Bool)
    async throws
  {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let id = try await driver.start("web")
      try await driver.event("Started web.service")
      systemd.setLogsLifecycle(isLogged)
      try await self.interrupt(systemd) {
        web.update {
          $0.endProgram(.exited(7))
          $0.resetFailed()
        }
      }
      let result = try await driver.waitTask(id)
      #expect(result.exitCode == (isLogged ? 7 : 1))
      #expect(result.message?.contains("how it ended is not known") == !isLogged)
    }
  }

  /// Does something while the driver sees that systemd cannot be reached.
  private func interrupt(_ systemd: FakeSystemd, _ body: () -> Void) async throws {
    systemd.fail(.listUnits, .unreachable)
    systemd.fail(.show, .unreachable)
    let count = systemd.commands(.listUnits).count
    // The second one begins when the failure of the first is known.
    try await eventually("two polls") { systemd.commands(.listUnits).count >= count + 2 }
    body()
    systemd.recover(.show)
    systemd.recover(.listUnits)
  }

  @Test func theJournalCannotBeFollowedForAWhile() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      systemd.journal.setBroken(true)
      try await driver.withLoggedTask("web") { allocation in
        web.print("first")
        try await eventually("a follower") { !systemd.commands(.journalFollow).isEmpty }
        systemd.journal.setBroken(false)
        web.print("second")
        try await eventually("both lines") { allocation.lines == ["first", "second"] }
      }
    }
  }

  @Test func journaldDoesNotSayThatItHasAllLines() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      systemd.fail(.journalSync, .accessDenied)
      try await driver.withLoggedTask("web") { allocation in
        web.print("first")
        web.exit(7)
        let result = try await driver.waitTask(allocation.config.id)
        #expect(result.exitCode == 7)
        #expect(try await allocation.allLines() == ["first"])
      }
    }
  }
}
