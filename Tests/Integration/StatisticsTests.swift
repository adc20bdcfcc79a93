import MessagePack
import Foundation
import NomadPlugin
import NomadTestSupport
import Synchronization
import TestHelpers
import Testing

/// TaskStats, on the control groups that this host has: not every host can count all.
@Suite(.needsSystemd, .limitedParallelism) struct StatisticsTests {
  /// Which of the kernel's controllers the units of this host have, in which version of control groups.
  private enum Controllers {
    static let inVersionTwo = Set(
      ((try? String(contentsOfFile: "/sys/fs/cgroup/cgroup.controllers", encoding: .utf8)) ?? "")
        .split(whereSeparator: \.isWhitespace).map(String.init))
    static let inVersionOne = Set(
      ((try? String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)) ?? "").split(separator: "\n")
        .filter { $0.contains(" - cgroup cgroup ") }.flatMap { $0.split { $0 == " " || $0 == "," } }
        .map(String.init))

    static func has(_ controller: String) -> Bool {
      self.inVersionTwo.contains(controller) || self.inVersionOne.contains(controller)
    }
  }

  /// Reads a task's statistics while `body` runs, and to their end after it.
  private func withSamples(
    of task: RunningTask, every interval: Duration = .milliseconds(200),
    _ body: @Sendable (Samples) async throws -> Void
  ) async throws {
    let samples = Samples()
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        try await task.calls.taskStats(task.id, interval: interval) { sample in
          samples.append(sample)
        }
      }
      do { try await body(samples) } catch {
        group.cancelAll()
        throw error
      }
      try await task.calls.stopTask(task.id, timeout: .seconds(300))
      // The stream ends with the task.
      try await group.next()
    }
  }

  private final class Samples: Sendable {
    private let samples = Mutex<[TaskResourceUsage]>([])

    func append(_ sample: TaskResourceUsage) { self.samples.withLock { $0.append(sample) } }

    var all: [TaskResourceUsage] { self.samples.withLock { $0 } }
    var last: TaskResourceUsage? { self.all.last }
  }

  @Test func aBusyUnit() async throws {
    try await Nomad.run { nomad in
      try await nomad.withTask(try await Units.make("t-burn")) { task in
        let pid = try #require(try await task.inspect().driverAttributes["main_pid"].flatMap { Int32($0) })
        try await self.withSamples(of: task) { samples in
          try await eventually("CPU time of the unit and of its process") {
            samples.last.map {
              ($0.cpu.percent ?? 0) > 0 && ($0.processes[pid]?.cpu.percent ?? 0) > 0
            } ?? false
          }
          let all = samples.all
          // Shares are known from the second sample on.
          #expect(all[0].cpu.percent == nil && all[0].cpu.totalTicks == nil)
          let last = try #require(all.last)
          let percent = try #require(last.cpu.percent)
          // Two processors of 1000 MHz each, as the agent says.
          #expect(abs((last.cpu.totalTicks ?? 0) - percent * 10) < 0.001)
          let parts = try #require(last.cpu.userMode) + #require(last.cpu.systemMode)
          #expect(abs(parts - percent) < 50, "\(last.cpu)")
          #expect((last.processes[pid]?.memory.rss ?? 0) > 0)
          // What this host does not count is not reported as nothing.
          if Controllers.has("memory") {
            #expect((last.memory.usage ?? 0) > 0, "\(last.memory)")
            #expect(last.memory.cache != nil && last.memory.kernelUsage != nil, "\(last.memory)")
            // What memory.stat tells of a group with little can be two seconds old (the kernel's mm/memcontrol.c).
            try await eventually("memory of the unit's processes") { (samples.last?.memory.rss ?? 0) > 0 }
          } else {
            #expect(last.memory == MemoryUsage())
          }
        }
      }
    }
  }

  @Test func groupsOfADelegatedUnit() async throws {
    let unit = try await Units.install(
      "[Service]", "Delegate=yes",
      "ExecStart=/bin/sh -c 'd=/sys/fs/cgroup; test -d $$d/unified && d=$$d/unified; "
        + "d=$$d$$(sed -n s/^0:://p /proc/self/cgroup); mkdir -p $$d/one/two; "
        + "while :; do :; done & echo $$! > $$d/one/two/cgroup.procs; echo $$!; exec sleep infinity'")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        try await eventually("the process's number") { !task.allocation.lines.isEmpty }
        let pid = try #require(Int32(task.allocation.lines[0]))
        try await self.withSamples(of: task) { samples in
          try await eventually("CPU time of the process in the group") {
            samples.last.map {
              ($0.cpu.percent ?? 0) > 0 && ($0.processes[pid]?.cpu.percent ?? 0) > 0
            } ?? false
          }
          let processes = samples.last?.processes.count
          #expect(processes == 2)
        }
      }
    }
  }

  @Test func processesThatComeAndGo() async throws {
    let unit = try await Units.install("[Service]", "ExecStart=/bin/sh -c 'while :; do sleep 0.3; done'")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        try await self.withSamples(of: task) { samples in
          try await eventually("more processes than there are at once") {
            Set(samples.all.flatMap(\.processes.keys)).count > 4
          }
          for sample in samples.all { #expect(sample.processes.count < 4) }
        }
      }
    }
  }

  @Test(.enabled(if: Controllers.has("memory"), "this host has no memory controller"))
  func aMemoryLimitThatIsHit() async throws {
    // tail keeps the last line of its input, which has no end; without the limit on addresses a host that did not
    // apply the other one would suffer.
    let unit = try await Units.install(
      "[Service]", "MemoryMax=30M", "MemorySwapMax=0", "LimitAS=1G", "ExecStart=/usr/bin/tail /dev/zero")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        let result = try await task.wait()
        #expect(result.exitCode == 137 && result.signal == 9, "\(result)")
        // systemd sees such a kill only on version 2.
        #expect(result.oomKilled == Controllers.inVersionTwo.contains("memory"), "\(result)")
      }
    }
  }

  @Test(.enabled(if: Controllers.has("cpu"), "this host has no cpu controller"))
  func aQuotaThatIsUsedUp() async throws {
    let unit = try await Units.install(
      "[Service]", "CPUQuota=5%", "ExecStart=/bin/sh -c 'while :; do :; done'")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        try await self.withSamples(of: task) { samples in
          try await eventually("throttling") {
            samples.last.map {
              ($0.cpu.throttledPeriods ?? 0) > 0 && ($0.cpu.throttledTime ?? 0) > 0
            } ?? false
          }
        }
      }
    }
  }

  @Test func severalCallers() async throws {
    try await Nomad.run { nomad in
      try await nomad.withTask(try await Units.make("t-burn")) { task in
        try await self.withSamples(of: task, every: .milliseconds(100)) { first in
          try await self.withSamples(of: task, every: .milliseconds(300)) { second in
            try await self.withSamples(of: task, every: .seconds(3600)) { third in
              try await eventually("samples for all") {
                first.all.count > 2 && second.all.count > 2
                  && third.all.count == 1
              }
            }
          }
        }
      }
    }
  }

  @Test func aTaskThatHasEnded() async throws {
    try await Nomad.run { nomad in
      try await nomad.withTask(try await Units.make("t-oneshot")) { task in
        _ = try await task.wait()
        try await task.calls.taskStats(task.id, interval: .seconds(3600)) { _ in Issue.record("a sample") }
      }
    }
  }

  @Test func aUnitThatIsRestarted() async throws {
    let unit = try await Units.make("t-burn")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        try await self.withSamples(of: task, every: .milliseconds(100)) { samples in
          try await eventually("a share") { samples.last?.cpu.percent != nil }
          try await Units.systemctl("restart", unit)
          let pid = Int32(try await Units.property("MainPID", of: unit)) ?? 0
          try await eventually("a share of the new run") {
            samples.last.map { $0.processes[pid] != nil && $0.cpu.percent != nil } ?? false
          }
          let percents = samples.all.compactMap(\.cpu.percent)
          #expect(percents.allSatisfy { $0 >= 0 && $0.isFinite })
        }
      }
    }
  }

  /// A target has no control group.
  @Test func aUnitOfWhichNothingIsCounted() async throws {
    let unit = try await Units.install("[Unit]", "Description=A target", suffix: "target")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        try await self.withSamples(of: task) { samples in
          try await eventually("two samples") { samples.all.count >= 2 }
          for sample in samples.all {
            #expect(sample.cpu == CPUUsage() && sample.memory == MemoryUsage() && sample.processes.isEmpty)
          }
        }
      }
    }
  }

  /// Behind a prefix the files of this host may be another's: systemd is asked.
  @Test func throughAPrefix() async throws {
    let unit = try await Units.make("t-burn")
    try await Nomad.run(["command_prefix": ["/usr/bin/env"]]) { nomad in
      try await nomad.withTask(unit) { task in
        try await self.withSamples(of: task) { samples in
          // What this systemd does not count is not reported.
          let hasTime = try await Units.property("CPUUsageNSec", of: unit) != "[not set]"
          let hasMemory = try await Units.property("MemoryCurrent", of: unit) != "[not set]"
          try await eventually("a third sample, of what systemd counts") {
            guard samples.all.count >= 3, let last = samples.last else { return false }
            return (last.cpu.percent != nil) == hasTime && (last.memory.usage != nil) == hasMemory
          }
          let last = try #require(samples.last)
          #expect((last.cpu.totalTicks != nil) == hasTime)
          #expect(last.cpu.userMode == nil && last.cpu.systemMode == nil && last.processes.isEmpty)
          #expect(last.memory.rss == nil)
        }
      }
    }
  }
}
