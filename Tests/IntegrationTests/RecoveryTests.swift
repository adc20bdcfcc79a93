import Foundation
import GoPlugin
import NomadPlugin
import TestSupport
import Testing

/// What a new process of the plugin makes of the tasks of the one before.
@Suite(.needsSystemd) struct RecoveryTests {
  /// Starts a task in a plugin that is then killed. Gives its handle.
  private func startAndKill(_ allocation: Allocation) async throws -> TaskHandle {
    let started = HandleBox()
    _ = try? await Nomad.run { nomad in
      let handle = try await nomad.calls.startTask(allocation.config)
      try await eventually("a line, or a unit that prints none") {
        allocation.lines.count >= 3 || !allocation.config.driverConfigText.contains("counter")
      }
      await started.set(handle)
      kill(nomad.pluginProcess, SIGKILL)
    }
    return try #require(await started.handle)
  }

  private actor HandleBox {
    var handle: TaskHandle?

    func set(_ handle: TaskHandle) { self.handle = handle }
  }

  @Test func aRunningUnitIsTakenUp() async throws {
    let allocation = try Allocation(unit: try await Units.make("t-sleep"))
    defer { allocation.remove() }
    let handle = try await self.startAndKill(allocation)
    try await Nomad.run { nomad in
      try await nomad.calls.recoverTask(handle)
      // Known now: nothing happens.
      try await nomad.calls.recoverTask(handle)
      let status = try await nomad.calls.inspectTask(handle.config.id)
      #expect(status.state == .running)
      try await nomad.calls.stopTask(handle.config.id, timeout: .seconds(10))
      let exitCode = try await nomad.calls.waitTask(handle.config.id).exitCode
      #expect(exitCode == 0)
      try await nomad.calls.destroyTask(handle.config.id, force: false)
    }
  }

  @Test func logsGoOnWhereTheyEnded() async throws {
    let unit = try await Units.make("t-counter")
    let allocation = try Allocation(unit: unit)
    defer { allocation.remove() }
    // Nomad's collector would end with the last writer: hold one, as the agent's restart of it would.
    let writer = open(allocation.config.stdoutPath, O_RDWR | O_NONBLOCK | O_CLOEXEC)
    let handle = try await self.startAndKill(allocation)
    try await Nomad.run { nomad in
      try await nomad.calls.recoverTask(handle)
      let before = allocation.lines.count
      try await eventually("more lines") { allocation.lines.count > before + 50 }
      try await nomad.calls.stopTask(handle.config.id, timeout: .seconds(10))
      _ = try await nomad.calls.waitTask(handle.config.id)
      try await nomad.calls.destroyTask(handle.config.id, force: true)
    }
    close(writer)
    let lines = try await allocation.allLines()
    // A kill between a write and the note of it may repeat the lines of that one write, and nothing else.
    let distinct = lines.reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
    #expect(distinct == (1...max(distinct.count, 1)).map { "\($0)" })
    #expect(lines.count - distinct.count <= 20)
  }

  @Test(arguments: [("t-exit7", Int32(7)), ("t-lines", 0)])
  func aUnitThatEndedMeanwhile(template: String, exitCode: Int32) async throws {
    let unit = try await Units.make(template)
    let allocation = try Allocation(unit: unit)
    defer { allocation.remove() }
    let handle = try await self.startAndKill(allocation)
    try await eventually("the unit's end") {
      let state = try await Units.systemctl("is-active", unit)
      return state == "failed\n" || state == "inactive\n"
    }
    try await Nomad.run { nomad in
      try await nomad.calls.recoverTask(handle)
      let exitCode = try await nomad.calls.waitTask(handle.config.id).exitCode
      #expect(exitCode == exitCode)
      try await nomad.calls.destroyTask(handle.config.id, force: false)
    }
  }

  @Test func aHandleThatIsNotOurs() async throws {
    try await Nomad.run { nomad in
      let config = TaskConfig(id: "x/y/z")
      for state in [[], Array("garbage".utf8), Array(#"{"version":99,"unit":"a.service"}"#.utf8)] as [[UInt8]]
      {
        let error = await #expect(throws: DriverError.self) {
          try await nomad.calls.recoverTask(TaskHandle(config: config, driverState: state))
        }
        guard case .unrecoverable? = error else {
          return #expect(Bool(false), "\(String(describing: error))")
        }
      }
    }
  }
}

extension TaskConfig {
  var driverConfigText: String { String(decoding: self.driverConfig, as: UTF8.self) }
}
