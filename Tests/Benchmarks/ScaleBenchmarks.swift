import Foundation
import NomadPlugin
import Synchronization
import TestSupport

/// What a thousand units on one host cost: all that is done to each of them at once, beside a quarter of them. A ratio of the
/// times for one unit above 1 is what grows faster than their number.
enum ScaleBenchmarks {
  private struct Running {
    let allocation: Allocation
    let handle: TaskHandle

    var id: String { self.allocation.config.id }
  }

  private static let seconds = 20.0

  static func run() async throws {
    let quarter = try await self.run(unitCount: 250)
    let all = try await self.run(unitCount: 1000)
    for ((what, time), (_, less)) in zip(all, quarter) {
      let ratio = time / 1000 / (less / 250)
      Main.row("\(what), 1000 units: one of them beside one of 250", "\((ratio * 100).rounded() / 100)")
    }
  }

  /// - Returns: what was done and how long that took.
  private static func run(unitCount: Int) async throws -> [(String, Duration)] {
    let clock = ContinuousClock()
    let units = try await withThrowingTaskGroup(of: String.self) { group in
      for _ in 0..<unitCount { group.addTask { try await Units.make("t-sleep") } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    let bareStart = try await clock.measure { try await Units.run(["systemctl", "start"] + units) }
    try await Units.run(["systemctl", "stop"] + units)
    let tasks = Mutex<[Running]>([])
    let startTime = Mutex(Duration.zero)
    do {
      try await Nomad.run { nomad in
        let allocations = try units.map { try Allocation(unit: $0) }
        // The units print nothing, and the collectors of so many would do more than what is measured.
        for allocation in allocations { allocation.endCollector() }
        let time = try await clock.measure {
          try await self.forAll(allocations) { allocation in
            let handle = try await nomad.calls.startTask(allocation.config)
            tasks.withLock { $0.append(Running(allocation: allocation, handle: handle)) }
          }
        }
        startTime.withLock { $0 = time }
        try await self.idle(nomad, unitCount)
        kill(nomad.pluginProcess, SIGKILL)
      }
    } catch {
      // It ends with the kill.
      if tasks.withLock(\.count) < unitCount { throw error }
    }
    let running = tasks.withLock(\.self)
    guard running.count == unitCount else { throw NeverHeld(what: "the start of \(unitCount) tasks") }
    defer { for task in running { task.allocation.remove() } }
    return try await Nomad.run { nomad in
      let recovery = try await clock.measure {
        try await self.forAll(running) { task in
          try await nomad.calls.recoverTask(task.handle)
          guard try await nomad.calls.inspectTask(task.id).state == .running else {
            throw NeverHeld(what: "a task that runs after its recovery")
          }
        }
      }
      let stop = try await clock.measure {
        try await self.forAll(running) { try await nomad.calls.stopTask($0.id, timeout: .seconds(60)) }
      }
      let destruction = try await clock.measure {
        try await self.forAll(running) { try await nomad.calls.destroyTask($0.id, force: false) }
      }
      let times = [
        ("systemctl start, a single one", bareStart), ("StartTask", startTime.withLock(\.self)),
        ("RecoverTask and InspectTask after SIGKILL", recovery), ("StopTask", stop),
        ("DestroyTask", destruction),
      ]
      for (what, time) in times {
        Main.row("\(what), \(unitCount) units", "\((time / .milliseconds(1)).rounded() / 1000) s")
      }
      return times
    }
  }

  private static func idle(_ nomad: Nomad, _ unitCount: Int) async throws {
    try await Task.sleep(for: .seconds(10))
    let before = LifeBenchmarks.cpuSeconds(ofTree: nomad.pluginProcess)
    try await Task.sleep(for: .seconds(self.seconds))
    let after = LifeBenchmarks.cpuSeconds(ofTree: nomad.pluginProcess)
    Main.row(
      "CPU of the plugin and its children, \(unitCount) idle units",
      "\(((after - before) / self.seconds * 1000).rounded() / 10) % of a core",
      goal: unitCount == 1000 ? "< 2 %" : "")
    Main.row(
      "resident memory of the plugin, \(unitCount) units", "\(nomad.residentKilobytes) kB",
      goal: unitCount == 1000 ? "< 100 MB" : "")
  }

  private static func forAll<T: Sendable>(_ items: [T], _ call: @escaping @Sendable (T) async throws -> Void)
    async throws
  {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for item in items { group.addTask { try await call(item) } }
      try await group.waitForAll()
    }
  }
}
