import NomadPlugin
import Systemd
import TestHelpers
import Testing

@testable import SystemdDriver

@Suite(.timeLimit(.minutes(1))) struct DriverDestroyTests {
  @Test func aRunningTaskIsKeptWithoutForce() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let id = try await driver.start("web")
      let error = await #expect(throws: DriverError.self) { try await driver.destroyTask(id, force: false) }
      #expect(error?.isUnrecoverable == true && error?.description.contains("still running") == true)
      #expect(web.state.activeState == .active)
      web.exit(7)
      #expect(try await driver.waitTask(id).exitCode == 7)
    }
  }

  @Test func aRunningTaskIsStoppedByForce() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service") { $0.ignoresTermination = true }
      let id = try await driver.start("web")
      async let end = driver.waitTask(id)
      try await driver.destroyTask(id, force: true)
      #expect(!web.state.isUp && web.state.signals.contains("SIGKILL"))
      #expect(try await end.signal == 9)
      #expect(try await !driver.knows(id))
      #expect(try await driver.lastEvents().isEmpty)
    }
  }

  /// Its start limit is not to refuse the next task's start (StartLimitBurst=).
  @Test func aFailureIsReset() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let id = try await driver.start("web")
      web.exit(7)
      _ = try await driver.waitTask(id)
      #expect(web.state.activeState == .failed)
      try await driver.destroyTask(id, force: false)
      #expect(web.state.activeState == .inactive && systemd.commands(.resetFailed).count == 1)
      #expect(try await !driver.knows(id))
    }
  }

  @Test func aFailureThatCannotBeResetIsNoObstacle() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let id = try await driver.start("web")
      web.exit(7)
      _ = try await driver.waitTask(id)
      systemd.fail(.resetFailed, .accessDenied)
      try await driver.destroyTask(id, force: false)
      #expect(try await !driver.knows(id))
    }
  }

  @Test func ofACleanEndThereIsNothingToReset() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let id = try await driver.start("web")
      web.exit(0)
      _ = try await driver.waitTask(id)
      try await driver.destroyTask(id, force: false)
      #expect(systemd.commands(.resetFailed).isEmpty)
      #expect(try await !driver.knows(id))
    }
  }

  @Test func twoAtOnce() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let id = try await driver.start("web")
      let command = systemd.hold(.stop)
      async let first: Void = driver.destroyTask(id, force: true)
      try await command.arrived()
      async let second: Void = driver.destroyTask(id, force: true)
      try await second
      command.resume()
      try await first
      #expect(!web.state.isUp)
      #expect(try await !driver.knows(id))
      await #expect(throws: DriverError.taskNotFound) { try await driver.destroyTask(id, force: true) }
    }
  }

  @Test func whileTheTaskStarts() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service") { $0.serviceType = "notify" }
      let config = try TaskConfig.test(unit: "web")
      let start = Task { try await driver.startTask(config) }
      try await eventually("the start") { web.state.activeState == .activating }
      try await driver.destroyTask(config.id, force: true)
      await #expect(throws: DriverError.self) { try await start.value }
      #expect(!web.state.isUp)
      #expect(try await !driver.knows(config.id))
    }
  }

  @Test func aTaskWhoseUnitCannotBeStoppedIsKept() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let id = try await driver.start("web")
      systemd.fail(.stop, .accessDenied)
      systemd.fail(.kill, .accessDenied)
      let error = await #expect(throws: DriverError.self) { try await driver.destroyTask(id, force: true) }
      #expect(error?.isRecoverable == true)
      #expect(web.state.activeState == .active)
      #expect(try await driver.inspectTask(id).state == .running)
    }
  }

  // MARK: Restarts by Nomad

  /// Stop, wait, destroy, and start of the same unit as a new task.
  @Test(arguments: [0, 7] as [Int32]) func theUnitIsTheNextTasks(status: Int32) async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      for run in 1...3 {
        let id = try await driver.start("web")
        #expect(web.state.runCount == run)
        if status != 0 { web.exit(status) }
        try await driver.stopTask(id, timeout: .seconds(60), signal: nil)
        #expect(try await driver.waitTask(id).exitCode == status)
        try await driver.destroyTask(id, force: true)
        #expect(try await !driver.knows(id))
      }
    }
  }

  @Test func theNextTaskBeginsBeforeTheLastIsDestroyed() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let first = try await driver.start("web")
      try await driver.stopTask(first, timeout: .seconds(60), signal: nil)
      _ = try await driver.waitTask(first)
      let second = try await driver.start("web")
      try await driver.destroyTask(first, force: true)
      #expect(web.state.activeState == .active)
      #expect(try await driver.inspectTask(second).state == .running)
      web.exit(7)
      #expect(try await driver.waitTask(second).exitCode == 7)
    }
  }
}
