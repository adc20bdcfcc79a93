import Foundation
import MessagePack
import NomadPlugin
import Processes
import Synchronization
import Systemd
import TestHelpers
import Testing

@testable import SystemdDriver

/// Two processes of the plugin on one host: RecoverTask by the second takes a task from the first.
@Suite(.timeLimit(.minutes(1))) struct DriverTakeoverTests {
  private let systemd = FakeSystemd()
  private let web: FakeSystemd.Unit

  init() { self.web = self.systemd.add("web.service") }

  /// Runs commands, and remembers those that name a unit.
  private final class WatchedRunner: CommandRunner {
    private let systemd: FakeSystemd
    private let seen = Mutex<[String]>([])

    init(_ systemd: FakeSystemd) { self.systemd = systemd }

    var commands: [String] { self.seen.withLock { $0 } }

    func run(_ command: Command, onOutput: ([UInt8]) async throws -> Void) async throws -> CommandResult {
      if command.arguments.contains(where: { $0.contains("web.service") }) {
        self.seen.withLock { $0.append(command.arguments.joined(separator: " ")) }
      }
      return try await self.systemd.run(command, onOutput: onOutput)
    }
  }

  /// Two drivers with the same records, and a task of the first.
  private struct Two: Sendable {
    let first: SystemdDriver
    let second: SystemdDriver
    /// What the first has asked systemd.
    let asked: WatchedRunner
    let allocation: Allocation
    let handle: TaskHandle

    var id: String { self.handle.config.id }

    /// Has the second recover the task, and waits until the first has none any more.
    func takeOver() async throws {
      try await self.second.recoverTask(self.handle)
      try await eventually("the first has let go of it") { !self.first.hasTasks }
      await #expect(throws: DriverError.taskNotFound) { try await self.first.waitTask(self.id) }
    }
  }

  private func withTwo(_ attributes: [String: MessagePackValue] = [:], _ body: (Two) async throws -> Void)
    async throws
  {
    try await withTemporaryDirectory { directory in
      let asked = WatchedRunner(self.systemd)
      let first = SystemdDriver(
        version: "1.2.3", runner: asked, recordDirectory: "\(directory)/driver", logger: quietLogger)
      let allocation = try Allocation(
        unit: "web", driverConfig: attributes.merging(["unit": "web"]) { $1 })
      defer { allocation.remove() }
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { await first.run() }
        defer { group.cancelAll() }
        try await first.configure([:])
        let handle = try await first.startTask(allocation.config)
        try await first.event("Started web.service")
        try await withDriver(self.systemd, records: "\(directory)/driver") { second, _ in
          try await body(
            Two(first: first, second: second, asked: asked, allocation: allocation, handle: handle))
        }
      }
    }
  }

  @Test func theSecondHasTheTask() async throws {
    try await self.withTwo { two in
      self.web.print("1", "2")
      try await eventually("two lines") { two.allocation.lines.count == 2 }
      let wait = Task { try await two.first.waitTask(two.id) }
      try await two.takeOver()
      await #expect(throws: DriverError.taskNotFound) { try await wait.value }
      let before = two.asked.commands.count
      self.web.print("3")
      self.web.request(.restart)
      try await two.second.event("was restarted by somebody else")
      self.web.print("4")
      for call in ["stop", "destroy", "signal"] {
        await #expect(throws: DriverError.taskNotFound) {
          switch call {
          case "stop": try await two.first.stopTask(two.id, timeout: .zero, signal: nil)
          case "destroy": try await two.first.destroyTask(two.id, force: true)
          default: try await two.first.signalTask(two.id, signal: "HUP")
          }
        }
      }
      self.web.exit(7)
      #expect(try await two.second.waitTask(two.id).exitCode == 7)
      #expect(try await two.allocation.allLines() == ["1", "2", "3", "4"])
      #expect(two.asked.commands.dropFirst(before).isEmpty)
      #expect(try await two.first.lastEvents().isEmpty)
      try await two.second.destroyTask(two.id, force: false)
    }
  }

  @Test func whileLinesCome() async throws {
    try await self.withTwo { two in
      let count = 3000
      async let printing: Void = {
        for number in 1...count {
          self.web.print("\(number)")
          if number % 10 == 0 { await Task.yield() }
        }
      }()
      try await eventually("some lines") { two.allocation.lines.count > 50 }
      try await two.takeOver()
      await printing
      self.web.exit(0)
      _ = try await two.second.waitTask(two.id)
      #expect(try await two.allocation.allLines() == (1...count).map(String.init))
      try await two.second.destroyTask(two.id, force: false)
    }
  }

  @Test func whileALineIsHalfWritten() async throws {
    try await self.withTwo { two in
      self.web.print("first")
      try await eventually("the line") { two.allocation.lines == ["first"] }
      two.allocation.standardOutput.pause()
      // More than a FIFO has room for.
      let long = String((0..<40_000).map { "\($0) " }.joined())
      self.web.print(long, "last")
      try await eventually("a part of it") { try Self.checkpoint(of: two.allocation)?.partial ?? 0 > 0 }
      let recovery = Task { try await two.second.recoverTask(two.handle) }
      try await eventually("the first has let go of it") { !two.first.hasTasks }
      two.allocation.standardOutput.resume()
      try await recovery.value
      self.web.exit(0)
      _ = try await two.second.waitTask(two.id)
      #expect(try await two.allocation.allLines() == ["first", long, "last"])
      try await two.second.destroyTask(two.id, force: false)
    }
  }

  private static func checkpoint(of allocation: Allocation) throws -> LogCheckpoint? {
    try LogCheckpointFile(for: allocation.config).read()
  }

  @Test func duringAStop() async throws {
    try await self.withTwo { two in
      self.web.update { $0.ignoresTermination = true }
      let stop = self.systemd.hold(.stop)
      let stopping = Task { try await two.first.stopTask(two.id, timeout: .seconds(600), signal: nil) }
      try await stop.arrived()
      try await two.takeOver()
      let error = await #expect(throws: DriverError.self) { try await stopping.value }
      #expect(error?.description.contains("taken the task over") == true)
      let before = two.asked.commands.count
      #expect(self.web.state.activeState == .active)
      try await two.second.stopTask(two.id, timeout: .zero, signal: nil)
      #expect(try await two.second.waitTask(two.id).signal == 9)
      #expect(two.asked.commands.count == before)
      try await two.second.destroyTask(two.id, force: false)
    }
  }

  @Test func whileTheUnitIsBeingKilled() async throws {
    try await self.withTwo { two in
      self.web.update { $0.ignoresTermination = true }
      let kill = self.systemd.hold(.kill)
      let stopping = Task { try await two.first.stopTask(two.id, timeout: .zero, signal: nil) }
      try await kill.arrived()
      try await two.takeOver()
      await #expect(throws: DriverError.self) { try await stopping.value }
      #expect(!self.web.state.signals.contains("SIGKILL"))
      try await two.second.destroyTask(two.id, force: true)
      #expect(!self.web.state.isUp)
    }
  }

  @Test func betweenAnEndAndItsAnswer() async throws {
    try await self.withTwo { two in
      two.allocation.standardOutput.pause()
      let lines = (1...50).map { "\($0) " + String(repeating: "x", count: 3000) }
      for line in lines { self.web.print(line) }
      self.web.exit(7)
      let wait = Task { try await two.first.waitTask(two.id) }
      try await eventually("the end") { try await two.first.inspectTask(two.id).state == .exited }
      let recovery = Task { try await two.second.recoverTask(two.handle) }
      try await eventually("the first has let go of it") { !two.first.hasTasks }
      await #expect(throws: DriverError.taskNotFound) { try await wait.value }
      try await recovery.value
      two.allocation.standardOutput.resume()
      #expect(try await two.second.waitTask(two.id).exitCode == 7)
      #expect(try await two.allocation.allLines() == lines)
      try await two.second.destroyTask(two.id, force: false)
    }
  }

  @Test func theFirstTakesItBack() async throws {
    try await self.withTwo { two in
      self.web.print("1")
      try await eventually("a line") { two.allocation.lines.count == 1 }
      try await two.takeOver()
      self.web.print("2")
      try await eventually("two lines") { two.allocation.lines.count == 2 }
      try await two.first.recoverTask(two.handle)
      try await eventually("the second has let go of it") { !two.second.hasTasks }
      self.web.print("3")
      self.web.exit(7)
      #expect(try await two.first.waitTask(two.id).exitCode == 7)
      #expect(try await two.allocation.allLines() == ["1", "2", "3"])
      try await two.first.destroyTask(two.id, force: false)
    }
  }

  @Test func severalCallsAtOnce() async throws {
    try await self.withTwo { two in
      async let one: Void = two.second.recoverTask(two.handle)
      async let other: Void = two.second.recoverTask(two.handle)
      try await one
      try await other
      #expect(try await two.second.inspectTask(two.id).state == .running)
      try await eventually("the first has let go of it") { !two.first.hasTasks }
      try await two.second.destroyTask(two.id, force: true)
    }
  }
}
