import Foundation
import NomadPlugin
import NomadTestSupport
import TestHelpers
import Testing

/// Calls that race each other.
@Suite(.needsSystemd, .limitedParallelism) struct ConcurrencyTests {
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
}
