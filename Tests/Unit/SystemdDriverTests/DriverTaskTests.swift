import AsyncPrimitives
import MessagePack
import NomadPlugin
import Synchronization
import Systemd
import TestHelpers
import Testing

@testable import SystemdDriver

/// What can be asked of a task that runs: its state, its events, its usage, signals to it.
@Suite(.timeLimit(.minutes(1))) struct DriverTaskTests {
  // MARK: Inspect

  @Test func theUnitsStateIsTold() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service") {
        $0.mainProcessID = FakeUnit.unusedProcessID
        $0.controlGroup = "/test.slice/web.service"
      }
      let config = try TaskConfig.test(unit: "web")
      _ = try await driver.startTask(config)
      let status = try await driver.inspectTask(config.id)
      #expect(status.id == config.id && status.name == "main" && status.state == .running)
      #expect(status.startedAt != nil && status.completedAt == nil && status.exitResult == nil)
      #expect(
        status.driverAttributes == [
          "unit": "web.service", "load_state": "loaded", "active_state": "active", "sub_state": "running",
          "result": "success", "invocation_id": web.state.invocationID, "restarts": "0",
          "main_pid": "\(FakeUnit.unusedProcessID)", "control_group": "/test.slice/web.service",
        ])
    }
  }

  // MARK: Events

  @Test func eventsTellOfTheUnit() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service") { $0.needsDaemonReload = true }
      let config = try TaskConfig.test(unit: "web")
      _ = try await driver.startTask(config)
      let started = try await driver.event("Started web.service")
      #expect(started.taskID == config.id && started.taskName == "main")
      #expect(started.allocationID == config.allocationID)
      #expect(
        started.annotations == [
          "unit": "web.service", "state": "active", "result": "success",
          "invocation_id": web.state.invocationID,
        ])
      try await driver.event("The file of web.service has changed")
    }
  }

  @Test func eventsAreForAllAndForThoseWhoComeLater() async throws {
    try await withDriver { driver, systemd in
      systemd.add("web.service")
      let (early, late) = (TaskEvents(), TaskEvents())
      async let first: Void = driver.taskEvents { early.append($0) }
      let id = try await driver.start("web")
      try await early.event(with: "Started web.service")
      async let second: Void = driver.taskEvents { late.append($0) }
      try await late.event(with: "Started web.service")
      try await driver.stopTask(id, timeout: .seconds(60), signal: nil)
      driver.endEvents()
      _ = try await (first, second)
      let expected = ["Started web.service", "Stopping web.service"]
      #expect(early.all.map(\.message) == expected && late.all.map(\.message) == expected)
    }
  }

  /// Events have what systemd says of the run that they are about.
  @Test func eventsWaitUntilTheUnitHasBeenSeen() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let events = TaskEvents()
      async let reports: Void = driver.taskEvents { events.append($0) }
      let command = systemd.hold(.start)
      let start = Task { try await driver.start("web") }
      try await command.arrived()
      let show = systemd.hold(.show)
      command.resume()
      _ = try await start.value
      try await show.arrived()
      #expect(events.all.isEmpty)
      show.resume()
      let event = try await events.event(with: "Started web.service")
      #expect(event.annotations["invocation_id"] == web.state.invocationID)
      driver.endEvents()
      try await reports
    }
  }

  // MARK: Usage

  @Test func usageIsReportedUntilTheEnd() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service") {
        $0.controlGroup = "/no-such.slice/web.service"
        $0.properties = ["CPUUsageNSec": "1000", "MemoryCurrent": "4096"]
      }
      let id = try await driver.start("web")
      let usages = Mutex<[TaskResourceUsage]>([])
      async let stats: Void = driver.taskStats(id, interval: .milliseconds(100)) { usage in
        usages.withLock { $0.append(usage) }
      }
      try await eventually("a sample") { usages.withLock { !$0.isEmpty } }
      web.update { $0.properties["CPUUsageNSec"] = "2000000" }
      try await eventually("a share of the processor") {
        usages.withLock { $0.contains { ($0.cpu.percent ?? 0) > 0 } }
      }
      web.exit(0)
      try await stats
      let first = try #require(usages.withLock { $0.first })
      #expect(first.memory.usage == 4096 && first.cpu.percent == nil)
      let last = try #require(usages.withLock { $0.first { ($0.cpu.percent ?? 0) > 0 } })
      #expect(last.cpu.totalTicks != nil)
    }
  }

  @Test func aTaskThatHasEndedUsesNothing() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let id = try await driver.start("web")
      web.exit(0)
      _ = try await driver.waitTask(id)
      try await driver.taskStats(id, interval: .milliseconds(100)) { _ in Issue.record("a sample") }
    }
  }

  // MARK: Signals

  @Test(arguments: ["main", "all"]) func aSignal(whom: String) async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let id = try await driver.start("web", ["signal_to": .string(whom)])
      try await driver.signalTask(id, signal: "SIGHUP")
      #expect(web.state.signals == ["SIGHUP"])
      #expect(systemd.commands(.kill).first?.text.contains("--signal=SIGHUP --kill-who=\(whom)") == true)
    }
  }

  @Test func aSignalToATaskThatHasEnded() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let id = try await driver.start("web")
      web.exit(0)
      _ = try await driver.waitTask(id)
      let error = await #expect(throws: DriverError.self) {
        try await driver.signalTask(id, signal: "SIGHUP")
      }
      #expect(error?.isUnrecoverable == true && error?.description.contains("has ended") == true)
      #expect(systemd.commands(.kill).isEmpty)
    }
  }

  @Test func aSignalWithoutAProcess() async throws {
    try await withDriver { driver, systemd in
      systemd.add("web.service")
      let id = try await driver.start("web", ["signal_to": "control"])
      let error = await #expect(throws: DriverError.self) {
        try await driver.signalTask(id, signal: "SIGHUP")
      }
      #expect(error?.isRecoverable == true)
      #expect(error?.description.contains("signal_to = \"control\"") == true)
    }
  }

  @Test(arguments: ["SIGNONE", "list", ""]) func noSignal(signal: String) async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let id = try await driver.start("web")
      let error = await #expect(throws: DriverError.self) { try await driver.signalTask(id, signal: signal) }
      #expect(error?.isUnrecoverable == true)
      #expect(web.state.signals.isEmpty)
    }
  }
}
