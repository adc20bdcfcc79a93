import MessagePack
import Foundation
import NomadPlugin
import NomadTestSupport
import Synchronization
import TestHelpers
import Testing

/// The way of a task, from StartTask to DestroyTask, on a real systemd.
@Suite(.needsSystemd, .limitedParallelism) struct TaskTests {
  @Test func runsToTheEndWithItsLines() async throws {
    try await Nomad.run { nomad in
      try await nomad.withTask(try await Units.make("t-lines")) { task in
        #expect(task.handle.version == 1)
        #expect(task.handle.state == .running)
        let result = try await task.wait()
        #expect(result.exitCode == 0)
        #expect(result.signal == 0)
        // The lines are there when WaitTask answers.
        let lines = try await task.allocation.allLines()
        #expect(lines == ["line 1", "line 2", "line 3"])
      }
    }
  }

  @Test(arguments: [
    ("t-exit7", 7, 0), ("t-killed", 128 + 10, 10), ("t-core", 128 + 6, 6), ("t-noexec", 203, 0),
    ("t-oneshot", 0, 0),
    ("t-bytes", 0, 0),
  ]) func exitResult(template: String, exitCode: Int32, signal: Int32) async throws {
    try await Nomad.run { nomad in
      try await nomad.withTask(try await Units.make(template)) { task in
        let result = try await task.wait()
        #expect(result.exitCode == exitCode)
        #expect(result.signal == signal)
        #expect(!result.oomKilled)
        if exitCode != 0 { #expect(result.message?.contains(template) == true) }
        let status = try await task.inspect()
        #expect(status.state == .exited)
        #expect(status.exitResult?.exitCode == exitCode)
        #expect(status.completedAt != nil)
      }
    }
  }

  @Test func everyLineOfAShortUnit() async throws {
    try await Nomad.run { nomad in
      try await nomad.withTask(try await Units.make("t-many")) { task in
        _ = try await task.wait()
        let lines = try await task.allocation.allLines()
        #expect(lines == (1...1000).map { "\($0)" })
      }
    }
  }

  @Test func linesAreDeliveredByteForByte() async throws {
    try await Nomad.run { nomad in
      try await nomad.withTask(try await Units.make("t-bytes")) { task in
        _ = try await task.wait()
        _ = try await task.allocation.allLines()
        let expected: [UInt8] =
          [0xff, 0xfe] + Array(" odd\n".utf8) + Array("Tab\there \"quoted\"\nlast without newline\n".utf8)
        let bytes = task.allocation.bytes.split(separator: 10).joined(separator: [10]) + [10]
        #expect(Array(bytes) == expected)
      }
    }
  }

  @Test func failureOfAStartJob() async throws {
    let unit = try await Units.make("t-failingoneshot")
    try await Nomad.run { nomad in
      let allocation = try Allocation(unit: unit)
      defer { allocation.remove() }
      // Whether the program is seen to run before it fails is chance; the failure is told either way.
      do {
        _ = try await nomad.calls.startTask(allocation.config)
        let result = try await nomad.calls.waitTask(allocation.config.id)
        #expect(result.exitCode == 3)
      } catch let error as DriverError {
        #expect(error.description.contains(unit))
        #expect(error.description.contains("status 3"))
      }
    }
  }

  @Test func aLongOneshotDoesNotBlockItsStart() async throws {
    try await Nomad.run { nomad in
      try await nomad.withTask(try await Units.make("t-longoneshot")) { task in
        let activeState = try await task.inspect().driverAttributes["active_state"]
        #expect(activeState == "activating")
        let state = try await task.inspect().state
        #expect(state == .running)
        try await task.calls.stopTask(task.id, timeout: .seconds(300))
        _ = try await task.wait()
      }
    }
  }

  @Test func remainsAfterExitUntilStopped() async throws {
    try await Nomad.run { nomad in
      try await nomad.withTask(try await Units.make("t-remain")) { task in
        let state = try await task.inspect().state
        #expect(state == .running)
        try await eventually("the end of its program") {
          try await task.inspect().driverAttributes["sub_state"] == "exited"
        }
        try await task.calls.stopTask(task.id, timeout: .seconds(300))
        let exitCode = try await task.wait().exitCode
        #expect(exitCode == 0)
      }
    }
  }

  @Test func restartsBySystemdKeepTheTask() async throws {
    try await Nomad.run { nomad in
      try await nomad.withTask(try await Units.make("t-restart")) { task in
        try await eventually("the second restart") {
          try await task.inspect().driverAttributes["restarts"] == "2"
        }
        let state = try await task.inspect().state
        #expect(state == .running)
        try await task.calls.stopTask(task.id, timeout: .seconds(300))
        let exitCode = try await task.wait().exitCode
        #expect(exitCode == 0)
      }
    }
  }

  @Test func stop() async throws {
    try await Nomad.run { nomad in
      try await nomad.withTask(try await Units.make("t-term")) { task in
        try await eventually("the unit's trap") { task.allocation.lines == ["ready"] }
        // Any number of waiters, before and after.
        async let first = task.wait()
        async let second = task.wait()
        try await task.calls.stopTask(task.id, timeout: .seconds(300))
        let third = try await task.wait()
        let exitCodes = try await [first.exitCode, second.exitCode, third.exitCode]
        #expect(exitCodes == [0, 0, 0])
        let lines = try await task.allocation.allLines()
        #expect(lines == ["ready", "got TERM"])
        // It has ended: that is what stopping is for.
        try await task.calls.stopTask(task.id, timeout: .seconds(1))
      }
    }
  }

  @Test func stopWithASignal() async throws {
    try await Nomad.run { nomad in
      try await nomad.withTask(try await Units.make("t-term")) { task in
        try await eventually("the unit's trap") { task.allocation.lines == ["ready"] }
        try await task.calls.stopTask(task.id, timeout: .seconds(300), signal: "SIGUSR2")
        let exitCode = try await task.wait().exitCode
        #expect(exitCode == 4)
        let lines = try await task.allocation.allLines()
        #expect(lines == ["ready", "got USR2"])
      }
    }
  }

  @Test func stopKillsAfterTheTimeout() async throws {
    try await Nomad.run { nomad in
      try await nomad.withTask(try await Units.make("t-stubborn")) { task in
        try await eventually("the unit's trap") { task.allocation.lines == ["ready"] }
        try await task.calls.stopTask(task.id, timeout: .milliseconds(300))
        let result = try await task.wait()
        #expect(result.exitCode == 137)
        #expect(result.signal == 9)
      }
    }
  }

  @Test func destroy() async throws {
    let unit = try await Units.make("t-sleep")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        let error = await #expect(throws: DriverError.self) {
          try await task.calls.destroyTask(task.id, force: false)
        }
        #expect(error?.description.contains("still running") == true)
        try await task.calls.destroyTask(task.id, force: true)
        await #expect(throws: DriverError.taskNotFound) { try await task.inspect() }
        try await eventually("the end of all children") { nomad.childProcesses.isEmpty }
        let activity = try await Units.systemctl("is-active", unit)
        #expect(activity == "inactive\n" || activity == "failed\n")
        let files = try FileManager.default.subpathsOfDirectory(
          atPath: task.allocation.config.allocationDirectory)
        #expect(files.filter { $0.contains("cursor") } == [])
      }
    }
  }

  @Test func inspect() async throws {
    let unit = try await Units.make("t-sleep")
    try await Nomad.run { nomad in
      let before = Date()
      try await nomad.withTask(unit) { task in
        let status = try await task.inspect()
        #expect(status.id == task.id)
        #expect(status.name == "main")
        #expect(status.state == .running)
        let started = try #require(status.startedAt)
        #expect(started > before.addingTimeInterval(-1) && started < Date().addingTimeInterval(1))
        #expect(status.completedAt == nil)
        #expect(status.driverAttributes["unit"] == unit)
        #expect(status.driverAttributes["active_state"] == "active")
        #expect(status.driverAttributes["sub_state"] == "running")
        let pid = try #require(status.driverAttributes["main_pid"].flatMap { Int32($0) })
        #expect(kill(pid, 0) == 0)
        #expect(status.driverAttributes["invocation_id"]?.count == 32)
      }
    }
  }

  @Test func anActiveUnitIsAdopted() async throws {
    let unit = try await Units.make("t-sleep")
    try await Units.systemctl("start", unit)
    let invocation = try await Units.systemctl("show", "-P", "InvocationID", unit)
    try await Nomad.run { nomad in
      let messages = Mutex<[String]>([])
      let listening = Task {
        try await nomad.calls.taskEvents { event in messages.withLock { $0.append(event.message) } }
      }
      defer { listening.cancel() }
      try await nomad.withTask(unit) { task in
        let adopted = try await task.inspect().driverAttributes["invocation_id"].map { $0 + "\n" }
        #expect(adopted == invocation)
        try await eventually("the event") {
          messages.withLock { $0 } == ["\(unit) was already active and is now the task's"]
        }
      }
    }
  }

  @Test func anActiveUnitIsRestartedOrRefusedIfTheJobSaysSo() async throws {
    let unit = try await Units.make("t-sleep")
    try await Units.systemctl("start", unit)
    let invocation = try await Units.systemctl("show", "-P", "InvocationID", unit)
    try await Nomad.run { nomad in
      let refused = try Allocation(unit: unit, driverConfig: ["unit": .string(unit), "on_active": "fail"])
      defer { refused.remove() }
      let error = await #expect(throws: DriverError.self) { try await nomad.calls.startTask(refused.config) }
      #expect(error?.description.contains("already active") == true)
      let same = try await Units.systemctl("show", "-P", "InvocationID", unit)
      #expect(same == invocation)

      let restarted = try Allocation(
        unit: unit, driverConfig: ["unit": .string(unit), "on_active": "restart"])
      defer { restarted.remove() }
      _ = try await nomad.calls.startTask(restarted.config)
      let other = try await Units.systemctl("show", "-P", "InvocationID", unit)
      #expect(other != invocation)
      try await nomad.calls.destroyTask(restarted.config.id, force: true)
    }
  }

  @Test func aUnitIsLeftRunningIfTheJobSaysSo() async throws {
    let unit = try await Units.make("t-sleep")
    try await Nomad.run { nomad in
      let allocation = try Allocation(unit: unit, driverConfig: ["unit": .string(unit), "on_stop": "leave"])
      defer { allocation.remove() }
      _ = try await nomad.calls.startTask(allocation.config)
      try await nomad.calls.stopTask(allocation.config.id, timeout: .seconds(300))
      let exitCode = try await nomad.calls.waitTask(allocation.config.id).exitCode
      #expect(exitCode == 0)
      try await nomad.calls.destroyTask(allocation.config.id, force: false)
    }
    let activity = try await Units.systemctl("is-active", unit)
    #expect(activity == "active\n")
    try await Units.systemctl("stop", unit)
  }

  @Test func aFailedUnitIsResetWhenItsTaskIsDestroyed() async throws {
    let unit = try await Units.make("t-exit7")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        _ = try await task.wait()
        let failed = try await Units.systemctl("is-active", unit)
        #expect(failed == "failed\n")
      }
    }
    let activity = try await Units.systemctl("is-active", unit)
    #expect(activity == "inactive\n")
  }

  @Test func oneUnitIsOneTask() async throws {
    let unit = try await Units.make("t-sleep")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        let other = try Allocation(unit: unit)
        defer { other.remove() }
        let error = await #expect(throws: DriverError.self) { try await nomad.calls.startTask(other.config) }
        guard case .recoverable(let text)? = error else {
          return #expect(Bool(false), "\(String(describing: error))")
        }
        #expect(text.contains(task.allocation.config.allocationID))
      }
    }
  }

  @Test func manyTasksAtOnce() async throws {
    try await Nomad.run { nomad in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<30 {
          group.addTask {
            try await nomad.withTask(try await Units.make("t-lines")) { task in
              let exitCode = try await task.wait().exitCode
              #expect(exitCode == 0)
              let lineCount = try await task.allocation.allLines().count
              #expect(lineCount == 3)
            }
          }
        }
        try await group.waitForAll()
      }
      try await eventually("the end of all children") { nomad.childProcesses.isEmpty }
    }
  }
}
