import SwiftProtobuf
import Foundation
import GRPCCore
import Synchronization
import Testing

@testable import NomadPlugin

/// Each call from the client through the wire to a driver and back.
@Suite(.timeLimit(.minutes(1))) struct DriverCallTests {
  @Test func taskConfigurationSchema() async throws {
    let schema: HCLSpec = .object(["unit": .attribute(.string, required: true)])
    let driver = RecordingDriver { $0.taskConfigurationSchema = schema }
    #expect(try await withPluginClient(driver) { try await $0.taskConfigurationSchema() } == schema)
  }

  @Test func capabilities() async throws {
    let all = DriverCapabilities(
      sendSignals: true, exec: true, filesystemIsolation: .unveil,
      networkIsolationModes: NetworkIsolationMode.allCases, mustCreateNetwork: true, supportsMounts: true,
      disableLogCollection: true, dynamicWorkloadUsers: true)
    for capabilities in [DriverCapabilities(), all] {
      let driver = RecordingDriver { $0.capabilities = capabilities }
      #expect(try await withPluginClient(driver) { try await $0.capabilities() } == capabilities)
    }
    for isolation in DriverCapabilities.FilesystemIsolation.allCases {
      let capabilities = DriverCapabilities(filesystemIsolation: isolation)
      #expect(DriverCapabilities(capabilities.wire) == capabilities)
    }
  }

  @Test func fingerprint() async throws {
    let reports = Fingerprint.Health.allCases.map { health in
      Fingerprint(
        health: health, healthDescription: "it is \(health)",
        attributes: [
          "driver.x": true, "driver.x.version": "252", "n": .integer(-5, unit: "MiB"), "f": 0.5,
          "g": .double(2, unit: "MHz"), "m": 7,
        ])
    }
    let driver = RecordingDriver { $0.fingerprints = reports }
    let seen = Mutex<[Fingerprint]>([])
    try await withPluginClient(driver) { client in
      try await client.fingerprint { report in seen.withLock { $0.append(report) } }
    }
    #expect(seen.withLock { $0 } == reports)
  }

  @Test func aFingerprintWithAnErrorIsUnhealthy() {
    let report = Fingerprint(
      .with {
        $0.health = .healthy
        $0.healthDescription = "fine"
        $0.err = "no systemctl"
      })
    #expect(report.health == .unhealthy)
    #expect(report.healthDescription == "no systemctl")
  }

  @Test func startTask() async throws {
    let handle = TaskHandle(version: 3, config: fullTaskConfig, state: .running, driverState: [0, 1, 0xff])
    let driver = RecordingDriver { $0.handle = handle }
    #expect(try await withPluginClient(driver) { try await $0.startTask(fullTaskConfig) } == handle)
    #expect(driver.calls == [.startTask(fullTaskConfig)])
  }

  @Test func theFullTaskConfigHasNoFieldLeftOut() throws {
    // Each of the 22 fields of the message, numbered without a gap, has a value in the sample.
    let bytes: [UInt8] = try fullTaskConfig.wire.serializedBytes()
    #expect(try fieldNumbers(in: bytes) == Set(1...22))
    let resources: [UInt8] = try #require(fullTaskConfig.resources).wire.serializedBytes()
    #expect(try fieldNumbers(in: resources) == Set(1...3))
    let linux: [UInt8] = try #require(fullTaskConfig.resources?.linux).wire.serializedBytes()
    #expect(try fieldNumbers(in: linux) == Set(1...9).subtracting([7]))
  }

  @Test func recoverTask() async throws {
    for state in TaskState.allCases {
      let handle = TaskHandle(version: 1, config: fullTaskConfig, state: state, driverState: [1])
      let driver = RecordingDriver()
      try await withPluginClient(driver) { try await $0.recoverTask(handle) }
      #expect(driver.calls == [.recoverTask(handle)])
    }
  }

  @Test func tasksWithoutAnIDAreRefused() async throws {
    let driver = RecordingDriver()
    try await withPluginClient(driver) { client in
      await #expect(throws: DriverError.unrecoverable("StartTask: the request has no task ID")) {
        try await client.startTask(TaskConfig(id: ""))
      }
      await #expect(throws: DriverError.unrecoverable("RecoverTask: the request has no task ID")) {
        try await client.recoverTask(TaskHandle(config: TaskConfig(id: ""), driverState: []))
      }
    }
    #expect(driver.calls.isEmpty)
  }

  @Test func waitTask() async throws {
    let results = [
      ExitResult(exitCode: 0),
      ExitResult(
        exitCode: 137, signal: 9, oomKilled: true, message: "the kernel ended it for want of memory"),
    ]
    for result in results {
      let driver = RecordingDriver { $0.exitResult = result }
      #expect(try await withPluginClient(driver) { try await $0.waitTask("t") } == result)
      #expect(driver.calls == [.waitTask("t")])
    }
  }

  @Test func stopTask() async throws {
    let driver = RecordingDriver()
    try await withPluginClient(driver) { client in
      try await client.stopTask("t", timeout: .milliseconds(1500), signal: "SIGINT")
      try await client.stopTask("t", timeout: .zero)
      try await client.stopTask("t", timeout: .seconds(-5))
    }
    #expect(
      driver.calls == [
        .stopTask("t", .milliseconds(1500), "SIGINT"), .stopTask("t", .zero, nil), .stopTask("t", .zero, nil),
      ])
  }

  @Test func destroyTask() async throws {
    let driver = RecordingDriver()
    try await withPluginClient(driver) { client in
      try await client.destroyTask("t", force: false)
      try await client.destroyTask("t", force: true)
    }
    #expect(driver.calls == [.destroyTask("t", force: false), .destroyTask("t", force: true)])
  }

  @Test func inspectTask() async throws {
    let statuses = [
      TaskStatus(id: "t", name: "web", state: .unknown),
      TaskStatus(id: "t", name: "web", state: .running, startedAt: someTime, driverAttributes: ["unit": "x"]),
      TaskStatus(
        id: "t", name: "web", state: .exited, startedAt: someTime, completedAt: someTime + 10,
        exitResult: ExitResult(exitCode: 143, signal: 15, oomKilled: false)),
    ]
    for status in statuses {
      let driver = RecordingDriver { $0.status = status }
      #expect(try await withPluginClient(driver) { try await $0.inspectTask("t") } == status)
      #expect(driver.calls == [.inspectTask("t")])
    }
  }

  @Test func taskStats() async throws {
    let usages = [
      TaskResourceUsage(timestamp: someTime),
      TaskResourceUsage(
        timestamp: someTime + 1,
        cpu: CPUUsage(
          systemMode: 1, userMode: 2, totalTicks: 3, throttledPeriods: 4, throttledTime: 5, percent: 6),
        memory: MemoryUsage(
          rss: 1, cache: 2, swap: 3, usage: 4, maximumUsage: 5, kernelUsage: 6, kernelMaximumUsage: 7),
        processes: [
          1: .init(cpu: CPUUsage(percent: 0)), 4_194_304: .init(memory: MemoryUsage(rss: .max)),
        ]),
    ]
    let driver = RecordingDriver { $0.usages = usages }
    let seen = Mutex<[TaskResourceUsage]>([])
    try await withPluginClient(driver) { client in
      try await client.taskStats("t", interval: .seconds(2)) { usage in seen.withLock { $0.append(usage) } }
    }
    #expect(seen.withLock { $0 } == usages)
    #expect(driver.calls == [.taskStats("t", .seconds(2))])
  }

  @Test(arguments: [
    (Duration.zero, Duration.seconds(1)), (.seconds(-1), .seconds(1)), (.nanoseconds(1), .milliseconds(100)),
    (.milliseconds(100), .milliseconds(100)), (.seconds(Int64.max), .seconds(100 * 365 * 86_400)),
  ])
  func statisticsIntervalIsSane(asked: Duration, given: Duration) async throws {
    let driver = RecordingDriver()
    try await withPluginClient(driver) { try await $0.taskStats("t", interval: asked) { _ in } }
    #expect(driver.calls == [.taskStats("t", given)])
  }

  @Test func taskEvents() async throws {
    let events = [
      TaskEvent(
        taskID: "t", taskName: "web", allocationID: "a", timestamp: someTime, message: "restarted",
        annotations: ["unit": "web.service", "restarts": "3"]),
      TaskEvent(taskID: "u", taskName: "db", allocationID: "b", timestamp: someTime, message: "stopped"),
    ]
    let driver = RecordingDriver { $0.events = events }
    let seen = Mutex<[TaskEvent]>([])
    try await withPluginClient(driver) { client in
      try await client.taskEvents { event in seen.withLock { $0.append(event) } }
    }
    #expect(seen.withLock { $0 } == events)
  }

  @Test func shutdown() async throws {
    let driver = RecordingDriver()
    try await withPluginClient(driver) { try await $0.shutdown() }
    #expect(driver.calls == [.shutdown])
  }

  @Test func signalTask() async throws {
    let driver = RecordingDriver()
    try await withPluginClient(driver) { try await $0.signalTask("t", signal: "SIGHUP") }
    #expect(driver.calls == [.signalTask("t", "SIGHUP")])
  }

  @Test func execTask() async throws {
    let result = ExecResult(stdout: [0xff, 0], stderr: [1], exitResult: ExitResult(exitCode: 3))
    let driver = RecordingDriver { $0.execResult = result }
    let command = ["/bin/sh", "-c", "exit 3"]
    #expect(
      try await withPluginClient(driver) {
        try await $0.execTask("t", command: command, timeout: .seconds(5))
      } == result)
    #expect(driver.calls == [.execTask("t", command, .seconds(5))])
  }

  @Test func execTaskRefusesWhatCannotBeRun() async throws {
    let driver = RecordingDriver()
    try await withPluginClient(driver) { client in
      for command in [[], [""], ["", "x"]] {
        await #expect(throws: DriverError.unrecoverable("ExecTask: the request has no command")) {
          try await client.execTask("t", command: command, timeout: .zero)
        }
      }
      await #expect(throws: DriverError.unrecoverable("ExecTask: the timeout must not be negative")) {
        try await client.execTask("t", command: ["x"], timeout: .seconds(-1))
      }
    }
    #expect(driver.calls.isEmpty)
  }
}

/// The numbers of the fields at the top of a serialized message.
private func fieldNumbers(in bytes: [UInt8]) throws -> Set<Int> {
  var numbers: Set<Int> = []
  var index = 0
  func varint() throws -> Int {
    var value = 0
    for shift in stride(from: 0, to: 63, by: 7) {
      try #require(index < bytes.count)
      value |= Int(bytes[index] & 0x7f) << shift
      index += 1
      if bytes[index - 1] < 0x80 { break }
    }
    return value
  }
  while index < bytes.count {
    let tag = try varint()
    numbers.insert(tag >> 3)
    switch tag & 7 {
    case 0:
      // A negative number fills ten bytes.
      while index < bytes.count, bytes[index] >= 0x80 { index += 1 }
      index += 1
    case 1: index += 8
    case 2:
      let length = try varint()
      index += length
    default: index += 4
    }
  }
  return numbers
}
