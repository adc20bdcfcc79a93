import Foundation
import MessagePack
import NomadPlugin
import Systemd
import TestHelpers
import Testing

@testable import SystemdDriver

/// What a later process of the plugin knows of a task besides its handle.
@Suite(.timeLimit(.minutes(1))) struct DriverRecordTests {
  private let systemd = FakeSystemd()
  private let web: FakeSystemd.Unit

  init() { self.web = self.systemd.add("web.service") }

  /// How a task's unit comes to its end.
  enum Ending: CaseIterable {
    case exits, fails, isStopped, isAdoptedAndFails, isLeft
  }

  /// Starts a task, ends it and destroys it, with a driver that is gone afterwards.
  private func destroyedTask(_ ending: Ending, _ allocation: Allocation, records: String) async throws
    -> TaskHandle
  {
    if ending == .isAdoptedAndFails { self.web.request(.start) }
    return try await withDriver(self.systemd, records: records) { driver, _ in
      let handle = try await driver.startTask(allocation.config)
      self.web.print("first")
      try await eventually("the line") { allocation.lines == ["first"] }
      switch ending {
      case .exits: self.web.exit(0)
      case .fails, .isAdoptedAndFails: self.web.exit(7)
      case .isStopped, .isLeft:
        try await driver.stopTask(handle.config.id, timeout: .seconds(60), signal: nil)
      }
      _ = try await driver.waitTask(handle.config.id)
      try await driver.destroyTask(handle.config.id, force: true)
      _ = try await allocation.allLines()
      // For the next task, or the one that comes back.
      allocation.standardOutput.start()
      return handle
    }
  }

  private func allocation(_ attributes: [String: MessagePackValue] = [:]) throws -> Allocation {
    try Allocation(unit: "web", driverConfig: attributes.merging(["unit": "web"]) { $1 })
  }

  @Test(arguments: Ending.allCases, [false, true])
  func aTaskThatWasDestroyed(ending: Ending, runsAgain: Bool) async throws {
    try await withTemporaryDirectory { directory in
      let allocation = try self.allocation(ending == .isLeft ? ["on_stop": "leave"] : [:])
      defer { allocation.remove() }
      let handle = try await self.destroyedTask(ending, allocation, records: "\(directory)/driver")
      if runsAgain {
        self.web.request(.start)
        self.web.print("of another run")
      }
      let commands = self.systemd.commands.count
      try await withDriver(self.systemd, records: "\(directory)/driver") { driver, _ async throws in
        let error = await #expect(throws: DriverError.self) { try await driver.recoverTask(handle) }
        #expect(error?.description.contains("the task was destroyed") == true)
        #expect(try await !driver.knows(handle.config.id))
        await #expect(throws: DriverError.taskNotFound) {
          try await driver.destroyTask(handle.config.id, force: true)
        }
        #expect(!driver.hasTasks)
        // It stays so.
        await #expect(throws: DriverError.self) { try await driver.recoverTask(handle) }
      }
      #expect(!self.systemd.commands.dropFirst(commands).contains { $0.operands.contains("web.service") })
      #expect(allocation.lines == ["first"])
    }
  }

  /// The agent died between its DestroyTask and the answer to the StartTask of the next task.
  @Test func aTaskThatWasDestroyedAndWhoseUnitIsTheNextTasks() async throws {
    try await withTemporaryDirectory { directory in
      let allocation = try self.allocation()
      defer { allocation.remove() }
      let handle = try await self.destroyedTask(.fails, allocation, records: "\(directory)/driver")
      try await withDriver(self.systemd, records: "\(directory)/driver") { driver, _ in
        var next = allocation.config
        next.id += "-next"
        _ = try await driver.startTask(next)
        await #expect(throws: DriverError.self) { try await driver.recoverTask(handle) }
        self.web.print("second")
        self.web.exit(3)
        #expect(try await driver.waitTask(next.id).exitCode == 3)
        #expect(try await allocation.allLines() == ["first", "second"])
        try await driver.destroyTask(next.id, force: true)
      }
    }
  }

  @Test func anEndThatWasTold() async throws {
    try await withTemporaryDirectory { directory in
      let allocation = try self.allocation()
      defer { allocation.remove() }
      let records = "\(directory)/driver"
      let handle = try await withDriver(self.systemd, records: records) { driver, _ in
        let handle = try await driver.startTask(allocation.config)
        self.web.print("first")
        self.web.exit(7)
        _ = try await driver.waitTask(handle.config.id)
        return handle
      }
      // systemd knows nothing of it any more, and somebody has started the unit.
      self.web.update { $0.resetFailed() }
      self.web.request(.start)
      self.web.print("of another run")
      try await withDriver(self.systemd, records: records) { driver, systemd in
        try await driver.recoverTask(handle)
        let result = try await driver.waitTask(handle.config.id)
        #expect(result.exitCode == 7 && result.message?.contains("status 7") == true)
        let status = try await driver.inspectTask(handle.config.id)
        #expect(status.state == .exited && status.exitResult == result)
        try await driver.stopTask(handle.config.id, timeout: .zero, signal: nil)
        try await driver.destroyTask(handle.config.id, force: false)
        #expect(systemd.commands(.resetFailed).isEmpty)
      }
      #expect(self.web.state.activeState == .active)
      #expect(allocation.lines == ["first"])
    }
  }

  @Test func anEndThatWasToldOfATaskWhoseUnitIsTheNextOnes() async throws {
    try await withTemporaryDirectory { directory in
      let records = "\(directory)/driver"
      let handle = try await withDriver(self.systemd, records: records) { driver, _ in
        let handle = try await driver.startTask(.test(unit: "web"))
        self.web.exit(7)
        _ = try await driver.waitTask(handle.config.id)
        return handle
      }
      try await withDriver(self.systemd, records: records) { driver, _ in
        let next = try await driver.start("web")
        try await driver.recoverTask(handle)
        #expect(try await driver.waitTask(handle.config.id).exitCode == 7)
        try await driver.destroyTask(handle.config.id, force: true)
        #expect(self.web.state.activeState == .active)
        #expect(try await driver.inspectTask(next).state == .running)
      }
    }
  }

  @Test func aFailureThatWasToldIsReset() async throws {
    try await withTemporaryDirectory { directory in
      let records = "\(directory)/driver"
      let handle = try await withDriver(self.systemd, records: records) { driver, _ in
        let handle = try await driver.startTask(.test(unit: "web"))
        self.web.exit(7)
        _ = try await driver.waitTask(handle.config.id)
        return handle
      }
      try await withDriver(self.systemd, records: records) { driver, _ in
        try await driver.recoverTask(handle)
        #expect(try await driver.waitTask(handle.config.id).exitCode == 7)
        try await driver.destroyTask(handle.config.id, force: false)
      }
      #expect(self.web.state.activeState == .inactive)
    }
  }

  @Test func aRestartThatWasToldIsNotToldAgain() async throws {
    try await withTemporaryDirectory { directory in
      let records = "\(directory)/driver"
      let handle = try await withDriver(self.systemd, records: records) { driver, _ in
        let handle = try await driver.startTask(.test(unit: "web"))
        try await driver.event("Started web.service")
        self.web.request(.restart)
        try await driver.event("web.service was restarted by somebody else")
        return handle
      }
      // The handle is made when the start is answered, which may be before the run was seen.
      let state = try DriverState(handle.driverState)
      let task = try #require(TaskRecords(in: records, logger: quietLogger).read(handle.config.id))
      var known = handle
      known.driverState = try DriverState(
        unit: state.unit, logs: state.logs, bootID: state.bootID, invocationID: task.firstRun,
        startedAt: state.startedAt
      ).encoded
      let recovered = known
      #expect(
        task.firstRun != nil && task.lastRun == self.web.state.invocationID && task.firstRun != task.lastRun)
      try await withDriver(self.systemd, records: records) { driver, _ in
        try await driver.recoverTask(recovered)
        try await driver.event("Recovered web.service")
        self.web.exit(0)
        _ = try await driver.waitTask(handle.config.id)
        #expect(try await driver.lastEvents() == ["Recovered web.service"])
      }
    }
  }

  /// One that an earlier version of the plugin has started.
  @Test func aTaskWithoutARecord() async throws {
    try await withTemporaryDirectory { directory in
      let handle = try await withDriver(self.systemd) { driver, _ in
        try await driver.startTask(.test(unit: "web"))
      }
      try await withDriver(self.systemd, records: "\(directory)/driver") { driver, _ in
        try await driver.recoverTask(handle)
        self.web.exit(7)
        #expect(try await driver.waitTask(handle.config.id).exitCode == 7)
        try await driver.destroyTask(handle.config.id, force: false)
      }
      try await withDriver(self.systemd, records: "\(directory)/driver") { driver, _ async throws in
        let error = await #expect(throws: DriverError.self) { try await driver.recoverTask(handle) }
        #expect(error?.description.contains("the task was destroyed") == true)
      }
    }
  }

  @Test func aStartThatFailsLeavesNothing() async throws {
    try await withTemporaryDirectory { directory in
      let unit = self.systemd.add("notify.service") { $0.serviceType = "notify" }
      try await withDriver(self.systemd, records: "\(directory)/driver") { driver, _ in
        let config = try TaskConfig.test(unit: "notify")
        let start = Task { try await driver.startTask(config) }
        try await eventually("the start") { unit.state.activeState == .activating }
        unit.exit(1)
        await #expect(throws: DriverError.self) { try await start.value }
        try await eventually("no file") {
          try FileManager.default.contentsOfDirectory(atPath: "\(directory)/driver/tasks").isEmpty
        }
      }
    }
  }

  @Test func aTaskOfTheSameIDBeginsAnew() async throws {
    try await withTemporaryDirectory { directory in
      try await withDriver(self.systemd, records: "\(directory)/driver") { driver, _ in
        let config = try TaskConfig.test(unit: "web")
        for status in [7, 0] as [Int32] {
          _ = try await driver.startTask(config)
          let error = await #expect(throws: DriverError.self) { try await driver.startTask(config) }
          #expect(error?.description.contains("started already") == true)
          self.web.exit(status)
          #expect(try await driver.waitTask(config.id).exitCode == status)
          try await driver.destroyTask(config.id, force: false)
        }
      }
    }
  }

  @Test func aReplayHasNoRecords() async throws {
    try await withTemporaryDirectory { directory in
      let transcript = "\(directory)/transcript"
      try await withDriver(self.systemd, ["record": .string(transcript)]) { driver, _ in
        let id = try await driver.start("web")
        self.web.exit(0)
        _ = try await driver.waitTask(id)
      }
      try await withDriver(self.systemd, ["replay": .string(transcript)], records: "\(directory)/driver") {
        driver, _ in
        _ = try await driver.start("web")
      }
      #expect(!FileManager.default.fileExists(atPath: "\(directory)/driver"))
    }
  }
}
