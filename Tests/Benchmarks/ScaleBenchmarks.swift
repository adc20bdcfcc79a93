import Foundation
import NomadPlugin
import NomadTestSupport
import Synchronization
import TestHelpers

/// What a thousand units on one host cost: all that is done to each of them at once, beside a quarter of them. A ratio of the
/// times for one unit above 1 is what grows faster than their number.
enum ScaleBenchmarks {
  private struct Running {
    let allocation: Allocation
    let handle: TaskHandle

    var id: String { self.allocation.config.id }
  }

  static func run() async throws {
    let quarter = try await self.run(unitCount: 250)
    let all = try await self.run(unitCount: 1000)
    for ((what, time), (_, less)) in zip(all, quarter) {
      let ratio = time / 1000 / (less / 250)
      Main.row("\(what), 1000 units: one of them beside one of 250", "\((ratio * 100).rounded() / 100)")
    }
  }

  /// - Returns: what was done and how long that took.
  static func run(unitCount: Int) async throws -> [(String, Duration)] {
    let clock = ContinuousClock()
    let units = try await withThrowingTaskGroup(of: String.self) { group in
      for _ in 0..<unitCount { group.addTask { try await Units.make("t-sleep") } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    let bareStart = try await clock.measure { try await Units.run(["systemctl", "start"] + units) }
    let bareStop = try await clock.measure { try await Units.run(["systemctl", "stop"] + units) }
    Main.row(
      "systemctl start and stop, one command for \(unitCount) units",
      "\(self.text(bareStart)) and \(self.text(bareStop))")
    let tasks = Mutex<[Running]>([])
    let startTime = Mutex(Duration.zero)
    do {
      try await Nomad.run { nomad in
        let allocations = try units.map { try Allocation(unit: $0) }
        // The units print nothing, and the collectors of so many would do more than what is measured.
        for allocation in allocations { allocation.endCollector() }
        let time = try await self.measure("StartTask", unitCount, nomad) {
          try await self.forAll(allocations) { allocation in
            let handle = try await nomad.calls.startTask(allocation.config)
            tasks.withLock { $0.append(Running(allocation: allocation, handle: handle)) }
          }
        }
        startTime.withLock { $0 = time }
        try await Task.sleep(for: .seconds(10))
        let goals = unitCount == 1000 ? ("< 2 %", "< 100 MB") : ("", "")
        try await LifeBenchmarks.idleRow(nomad, unitCount: unitCount, goal: goals.0)
        Main.row(
          "resident memory of the plugin, \(unitCount) units", "\(nomad.residentKilobytes) kB", goal: goals.1)
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
      let recovery = try await self.measure("RecoverTask and InspectTask after SIGKILL", unitCount, nomad) {
        try await self.forAll(running) { task in
          try await nomad.calls.recoverTask(task.handle)
          guard try await nomad.calls.inspectTask(task.id).state == .running else {
            throw NeverHeld(what: "a task that runs after its recovery")
          }
        }
      }
      let stop = try await self.measure("StopTask", unitCount, nomad) {
        try await self.forAll(running) { try await nomad.calls.stopTask($0.id, timeout: .seconds(60)) }
      }
      let destruction = try await self.measure("DestroyTask", unitCount, nomad) {
        try await self.forAll(running) { try await nomad.calls.destroyTask($0.id, force: false) }
      }
      return [
        ("systemctl start", bareStart), ("systemctl stop", bareStop),
        ("StartTask", startTime.withLock(\.self)),
        ("RecoverTask and InspectTask after SIGKILL", recovery), ("StopTask", stop),
        ("DestroyTask", destruction),
      ]
    }
  }

  /// How long something takes, with a row that says who has used the CPU.
  private static func measure(
    _ what: String, _ unitCount: Int, _ nomad: Nomad, _ body: () async throws -> Void
  ) async throws -> Duration {
    func seconds() -> [Double] {
      let plugin = LifeBenchmarks.ownCPUSeconds(of: nomad.pluginProcess)
      return [
        plugin, LifeBenchmarks.cpuSeconds(ofTree: nomad.pluginProcess) - plugin,
        LifeBenchmarks.ownCPUSeconds(of: 1),
      ]
    }
    let before = seconds()
    let time = try await ContinuousClock().measure(body)
    let used = zip(seconds(), before).map { self.text(.seconds($0 - $1)) }
    Main.row(
      "\(what), \(unitCount) units",
      "\(self.text(time)); CPU: plugin \(used[0]), its children \(used[1]), PID 1 \(used[2])")
    return time
  }

  private static func text(_ time: Duration) -> String { "\((time / .milliseconds(10)).rounded() / 100) s" }

  private static func forAll<T: Sendable>(_ items: [T], _ call: @escaping @Sendable (T) async throws -> Void)
    async throws
  {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for item in items { group.addTask { try await call(item) } }
      try await group.waitForAll()
    }
  }
}
