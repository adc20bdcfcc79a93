import MessagePack
import NomadPlugin
import Systemd
import TestHelpers
import Testing

@testable import SystemdDriver

@Suite(.timeLimit(.minutes(1))) struct DriverStopTests {
  @Test func aServiceThatEndsBySIGTERM() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let id = try await driver.start("web")
      try await driver.stopTask(id, timeout: .seconds(60), signal: nil)
      #expect(!web.state.isUp && web.state.signals == ["SIGTERM"])
      #expect(systemd.commands(.kill).isEmpty)
      #expect(try await driver.waitTask(id) == ExitResult(exitCode: 0))
      #expect(try await driver.lastEvents() == ["Started web.service", "Stopping web.service"])
    }
  }

  @Test func aServiceThatIgnoresSIGTERMIsKilledAfterTheTimeout() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service") { $0.ignoresTermination = true }
      let id = try await driver.start("web")
      let kill = systemd.hold(.kill)
      async let stop: Void = driver.stopTask(id, timeout: .milliseconds(50), signal: nil)
      try await kill.arrived()
      try await eventually("SIGTERM") { web.state.signals == ["SIGTERM"] }
      kill.resume()
      try await stop
      #expect(web.state.signals == ["SIGTERM", "SIGKILL"])
      #expect(systemd.commands(.kill).first?.text.contains("--signal=SIGKILL --kill-who=all") == true)
      let result = try await driver.waitTask(id)
      #expect(result.exitCode == 137 && result.signal == 9)
      #expect(try await driver.lastEvents().last == "web.service did not stop in time: killing it")
    }
  }

  @Test func withoutATimeoutItIsKilledAtOnce() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service") { $0.ignoresTermination = true }
      let id = try await driver.start("web")
      try await driver.stopTask(id, timeout: .zero, signal: nil)
      #expect(!web.state.isUp && web.state.signals.contains("SIGKILL"))
      #expect(try await driver.waitTask(id).signal == 9)
    }
  }

  @Test func theKillSignalEndsIt() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service") { $0.exitOfSignal["SIGUSR2"] = .exited(4) }
      let id = try await driver.start("web")
      try await driver.stopTask(id, timeout: .seconds(60), signal: "SIGUSR2")
      #expect(web.state.signals == ["SIGUSR2"])
      #expect(systemd.commands(.kill).first?.text.contains("--signal=SIGUSR2 --kill-who=main") == true)
      // systemd is not to start it again (Restart=).
      #expect(systemd.commands(.stop).count == 1)
      #expect(try await driver.waitTask(id).exitCode == 4)
    }
  }

  @Test func theKillSignalDoesNotEndItInTime() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let id = try await driver.start("web")
      try await driver.stopTask(id, timeout: .milliseconds(50), signal: "SIGUSR2")
      #expect(web.state.signals.first == "SIGUSR2" && web.state.signals.count > 1)
      #expect(!web.state.isUp)
      _ = try await driver.waitTask(id)
    }
  }

  @Test func theKillSignalHasNoProcessToGoTo() async throws {
    try await withDriver { driver, systemd in
      let job = systemd.add("job.service") {
        $0.serviceType = "oneshot"
        $0.remainsAfterExit = true
        $0.exitsAtOnce = .exited(0)
      }
      let id = try await driver.start("job")
      #expect(job.state.activeState == .active && job.state.subState == "exited")
      try await driver.stopTask(id, timeout: .seconds(60), signal: "SIGINT")
      #expect(!job.state.isUp)
      #expect(try await driver.waitTask(id) == ExitResult(exitCode: 0))
    }
  }

  @Test func aServiceThatIsNotReadyYet() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service") { $0.serviceType = "notify" }
      let config = try TaskConfig.test(unit: "web")
      let start = Task { try await driver.startTask(config) }
      try await eventually("the start") { web.state.activeState == .activating }
      try await driver.stopTask(config.id, timeout: .seconds(60), signal: nil)
      #expect(!web.state.isUp && web.state.signals == ["SIGTERM"])
      let error = await #expect(throws: DriverError.self) { try await start.value }
      #expect(error?.isRecoverable == true && error?.description.contains("was stopped before") == true)
      #expect(try await !driver.knows(config.id))
    }
  }

  @Test func aUnitWhoseStartJobWaits() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service") { $0.waitsForOthers = true }
      let config = try TaskConfig.test(unit: "web")
      let start = Task { try await driver.startTask(config) }
      try await eventually("the job") { web.state.job != nil }
      try await driver.stopTask(config.id, timeout: .seconds(60), signal: nil)
      await #expect(throws: DriverError.self) { try await start.value }
      #expect(web.state.job == nil && web.state.runCount == 0)
    }
  }

  /// A start that waits for its turn must not come after the stop.
  @Test func aUnitWhoseStartIsNotAskedForYet() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let command = systemd.hold(.start)
      let config = try TaskConfig.test(unit: "web")
      let start = Task { try await driver.startTask(config) }
      try await command.arrived()
      try await driver.stopTask(config.id, timeout: .seconds(60), signal: nil)
      await #expect(throws: DriverError.self) { try await start.value }
      #expect(web.state.runCount == 0)
    }
  }

  @Test func aTaskThatHasEnded() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let id = try await driver.start("web")
      web.exit(7)
      _ = try await driver.waitTask(id)
      try await driver.stopTask(id, timeout: .seconds(60), signal: "SIGINT")
      #expect(systemd.commands(.stop).isEmpty && systemd.commands(.kill).isEmpty)
      #expect(try await driver.waitTask(id).exitCode == 7)
    }
  }

  @Test func twoStopsAtOnce() async throws {
    try await withDriver { driver, systemd in
      systemd.add("web.service")
      let id = try await driver.start("web")
      let command = systemd.hold(.stop)
      async let first: Void = driver.stopTask(id, timeout: .seconds(60), signal: nil)
      try await command.arrived()
      async let second: Void = driver.stopTask(id, timeout: .seconds(60), signal: nil)
      try await second
      command.resume()
      try await first
      #expect(systemd.commands(.stop).count == 2)
      #expect(try await driver.waitTask(id) == ExitResult(exitCode: 0))
    }
  }

  @Test func aStopThatFailsIsCalledAgain() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let id = try await driver.start("web")
      systemd.fail(.stop, .accessDenied, times: 1)
      let error = await #expect(throws: DriverError.self) {
        try await driver.stopTask(id, timeout: .seconds(60), signal: nil)
      }
      #expect(error?.isRecoverable == true && error?.description.contains("Access denied") == true)
      #expect(web.state.activeState == .active)
      #expect(try await driver.inspectTask(id).state == .running)
      try await driver.stopTask(id, timeout: .seconds(60), signal: nil)
      #expect(try await driver.waitTask(id) == ExitResult(exitCode: 0))
    }
  }

  @Test func aStopThatIsCancelledLeavesTheTask() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service") { $0.ignoresTermination = true }
      let id = try await driver.start("web")
      let stop = Task { try await driver.stopTask(id, timeout: .seconds(60), signal: nil) }
      try await eventually("the stop") { web.state.activeState == .deactivating }
      stop.cancel()
      await #expect(throws: (any Error).self) { try await stop.value }
      #expect(try await driver.inspectTask(id).state == .running)
      web.exit(0)
      #expect(try await driver.waitTask(id) == ExitResult(exitCode: 0))
    }
  }

  @Test func theUnitIsLeft() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let id = try await driver.start("web", ["on_stop": "leave"])
      try await driver.stopTask(id, timeout: .seconds(60), signal: nil)
      #expect(try await driver.waitTask(id) == ExitResult(exitCode: 0))
      #expect(try await driver.event("web.service is left running").taskID == id)
      try await driver.destroyTask(id, force: false)
      #expect(web.state.activeState == .active && systemd.commands(.stop).isEmpty)
    }
  }

  @Test func whatCanStartTheUnitAgainIsNamed() async throws {
    try await withDriver { driver, systemd in
      systemd.add("web.timer") { $0.request(.start) }
      systemd.add("web.socket")
      systemd.add("web.service") {
        $0.triggeredBy = ["web.timer", "web.socket"]
        $0.isReferenced = true
      }
      let id = try await driver.start("web")
      try await driver.stopTask(id, timeout: .seconds(60), signal: nil)
      #expect(
        try await driver.lastEvents().last
          == "web.service is stopped, but can be started again by web.timer")
    }
  }
}
