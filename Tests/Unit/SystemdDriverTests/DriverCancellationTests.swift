import MessagePack
import NomadPlugin
import Systemd
import TestHelpers
import Testing

@testable import SystemdDriver

/// Starts that Nomad cancels, wherever they are.
@Suite(.timeLimit(.minutes(1))) struct DriverCancellationTests {
  @Test(
    arguments: [(.show, .before), (.show, .after), (.start, .before)]
      as [(FakeCommand.Kind, HeldCommand.Point)])
  func aStart(kind: FakeCommand.Kind, point: HeldCommand.Point) async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let command = systemd.hold(kind, point)
      let config = try TaskConfig.test(unit: "web")
      let start = Task { try await driver.startTask(config) }
      try await command.arrived()
      start.cancel()
      await #expect(throws: CancellationError.self) { try await start.value }
      #expect(try await !driver.knows(config.id))
      command.resume()
      // A start job goes on without systemctl, so the unit is stopped.
      if kind == .start { try await eventually("the stop") { systemd.commands(.stop).count == 1 } }
      #expect(web.state.runCount == 0)
      // Nothing is left that would keep the unit from being a task.
      let id = try await driver.start("web")
      web.exit(7)
      #expect(try await driver.waitTask(id).exitCode == 7)
    }
  }

  @Test func aStartThatIsDoneAndNotAnswered() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let (command, answer) = (systemd.hold(.start), systemd.hold(.start, .after))
      let config = try TaskConfig.test(unit: "web")
      let start = Task { try await driver.startTask(config) }
      try await command.arrived()
      // A unit that is seen to be active has started, whatever systemctl says.
      systemd.fail(.show, .unreachable)
      systemd.fail(.listUnits, .unreachable)
      command.resume()
      try await answer.arrived()
      #expect(web.state.activeState == .active)
      start.cancel()
      await #expect(throws: CancellationError.self) { try await start.value }
      #expect(try await !driver.knows(config.id))
      try await eventually("the stop") { !web.state.isUp }
      #expect(systemd.commands(.stop).count == 1 && web.state.signals == ["SIGTERM"])
    }
  }

  @Test func aStartThatMayHaveBeenSkipped() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service") {
        $0.fragmentPath = "/no/such/directory/web.service"
        $0.unmetCondition = "ConditionPathExists=/no/such/path"
      }
      let command = systemd.hold(.journalHistory)
      let config = try TaskConfig.test(unit: "web")
      let start = Task { try await driver.startTask(config) }
      try await command.arrived()
      start.cancel()
      await #expect(throws: CancellationError.self) { try await start.value }
      #expect(try await !driver.knows(config.id))
      #expect(web.state.runCount == 0)
    }
  }

  @Test func aStartWhoseJobIsNotDone() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service") { $0.serviceType = "notify" }
      let config = try TaskConfig.test(unit: "web")
      let start = Task { try await driver.startTask(config) }
      try await eventually("the start") { web.state.activeState == .activating }
      start.cancel()
      await #expect(throws: CancellationError.self) { try await start.value }
      #expect(try await !driver.knows(config.id))
      try await eventually("the stop") { !web.state.isUp }
      #expect(web.state.signals == ["SIGTERM"])
    }
  }

  /// The unit was there before the task: it is not stopped.
  @Test func aRestartWhoseJobIsNotDone() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service") {
        $0.request(.start)
        $0.serviceType = "notify"
      }
      let config = try TaskConfig.test(unit: "web", ["on_active": "restart"])
      let start = Task { try await driver.startTask(config) }
      try await eventually("the restart") { web.state.activeState == .activating }
      start.cancel()
      await #expect(throws: CancellationError.self) { try await start.value }
      #expect(try await !driver.knows(config.id))
      try await eventually("the end of the job") { web.state.job == nil }
      #expect(systemd.commands(.cancel).count == 1 && systemd.commands(.stop).isEmpty)
      #expect(web.state.isUp)
    }
  }

  @Test func anAdoption() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service") { $0.request(.start) }
      let command = systemd.hold(.show, .after)
      let config = try TaskConfig.test(unit: "web")
      let start = Task { try await driver.startTask(config) }
      try await command.arrived()
      start.cancel()
      await #expect(throws: CancellationError.self) { try await start.value }
      command.resume()
      #expect(try await !driver.knows(config.id))
      #expect(web.state.activeState == .active)
    }
  }

  @Test func aWait() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let id = try await driver.start("web")
      let wait = Task { try await driver.waitTask(id) }
      wait.cancel()
      await #expect(throws: CancellationError.self) { try await wait.value }
      web.exit(7)
      #expect(try await driver.waitTask(id).exitCode == 7)
    }
  }
}
