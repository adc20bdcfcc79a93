import Foundation
import NomadPlugin
import TestSupport
import Testing

/// Many tasks, and calls that race each other.
@Suite(.needsSystemd) struct ConcurrencyTests {
  @Test func twoHundredTasks() async throws {
    try await Nomad.run { nomad in
      let units = try await Self.units(200, of: "t-sleep")
      let allocations = try units.map { try Allocation(unit: $0) }
      defer { for allocation in allocations { allocation.remove() } }
      func forAll(_ call: @escaping @Sendable (String) async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
          for allocation in allocations { group.addTask { try await call(allocation.config.id) } }
          try await group.waitForAll()
        }
      }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for allocation in allocations {
          group.addTask { _ = try await nomad.calls.startTask(allocation.config) }
        }
        try await group.waitForAll()
      }
      try await forAll { id in
        let state = try await nomad.calls.inspectTask(id).state
        #expect(state == .running)
      }
      // Whoever waits hears of the end, whichever way it comes.
      try await forAll { id in
        async let end = nomad.calls.waitTask(id)
        try await nomad.calls.stopTask(id, timeout: .seconds(300))
        let exitCode = try await end.exitCode
        #expect(exitCode == 0)
        try await nomad.calls.destroyTask(id, force: false)
      }
      try await eventually("the end of all children") { nomad.childProcesses.isEmpty }
      let left = try await Units.systemctl(
        "list-units", "--plain", "--no-legend", "--state=active", "t-sleep@*")
      #expect(units.filter { left.contains($0) } == [])
    }
  }

  @Test func startRacesStopAndDestroy() async throws {
    try await Nomad.run { nomad in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for round in 0..<20 {
          group.addTask {
            let unit = try await Units.make(round.isMultiple(of: 2) ? "t-sleep" : "t-longoneshot")
            let allocation = try Allocation(unit: unit)
            defer { allocation.remove() }
            let id = allocation.config.id
            async let start = try? nomad.calls.startTask(allocation.config)
            // Before the start is answered the task may be known or not; neither call may break it.
            try await Task.sleep(for: .milliseconds(Int.random(in: 0..<40)))
            async let stop: Void? = try? nomad.calls.stopTask(id, timeout: .seconds(300))
            async let end = try? nomad.calls.waitTask(id)
            async let destroy: Void? = try? nomad.calls.destroyTask(id, force: true)
            _ = await (start, stop, destroy)
            var failure: (any Error)?
            do { try await nomad.calls.destroyTask(id, force: true) } catch { failure = error }
            _ = await end
            await #expect(throws: DriverError.taskNotFound, "\(String(describing: failure))") {
              try await nomad.calls.inspectTask(id)
            }
            try await eventually("the end of the unit") {
              let state = try await Units.property("ActiveState", of: unit)
              return state == "inactive" || state == "failed"
            }
          }
        }
        try await group.waitForAll()
      }
      try await eventually("the end of all children") { nomad.childProcesses.isEmpty }
    }
  }

  @Test func destroyEndsEveryWait() async throws {
    try await Nomad.run { nomad in
      let unit = try await Units.make("t-sleep")
      let allocation = try Allocation(unit: unit)
      defer { allocation.remove() }
      let id = allocation.config.id
      _ = try await nomad.calls.startTask(allocation.config)
      await withTaskGroup(of: Bool.self) { group in
        for _ in 0..<50 {
          group.addTask {
            do {
              let exitCode = try await nomad.calls.waitTask(id).exitCode
              // Forced, it is stopped and killed at once.
              return exitCode == 0 || exitCode == 137
            } catch {
              // The call came after the task was gone.
              return (error as? DriverError) == .taskNotFound
            }
          }
        }
        group.addTask { (try? await nomad.calls.destroyTask(id, force: true)) != nil }
        for await isRight in group { #expect(isRight) }
      }
    }
  }

  @Test func recoverRacesEverything() async throws {
    try await Nomad.run { nomad in
      let unit = try await Units.make("t-sleep")
      let allocation = try Allocation(unit: unit)
      defer { allocation.remove() }
      let id = allocation.config.id
      let handle = try await nomad.calls.startTask(allocation.config)
      await withTaskGroup(of: Void.self) { group in
        for _ in 0..<20 {
          group.addTask { try? await nomad.calls.recoverTask(handle) }
          group.addTask { _ = try? await nomad.calls.inspectTask(id) }
        }
        group.addTask { try? await nomad.calls.stopTask(id, timeout: .seconds(300)) }
        await group.waitForAll()
      }
      let exitCode = try await nomad.calls.waitTask(id).exitCode
      #expect(exitCode == 0)
      try await nomad.calls.destroyTask(id, force: false)
      try await eventually("the end of all children") { nomad.childProcesses.isEmpty }
    }
  }

  private static func units(_ count: Int, of template: String) async throws -> [String] {
    var units: [String] = []
    for _ in 0..<count { units.append(try await Units.make(template)) }
    return units
  }
}
