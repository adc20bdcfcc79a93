import ControlGroups
import Foundation
import NomadPlugin
import Systemd

/// Turns what is counted for a unit into what Nomad shows, from one sample to the next.
struct UnitStatistics {
  private let topology: Topology?
  private var last: ControlGroupUsage?

  /// - Parameter topology: the node's compute, for the ticks; they are not known without.
  init(topology: Topology?) { self.topology = topology }

  /// The usage at a time. What is not counted is left out; shares of a processor are known from the second sample of a
  /// run of the unit on.
  mutating func sample(_ usage: ControlGroupUsage, at time: Date) -> TaskResourceUsage {
    // The counters begin anew with each run.
    let last = self.last.flatMap { $0.identity == usage.identity ? $0 : nil }
    self.last = usage
    let elapsed = last.map { usage.time - $0.time } ?? .zero
    var cpu = CPUUsage(
      systemMode: Self.percent(last?.systemTime, usage.systemTime, elapsed),
      userMode: Self.percent(last?.userTime, usage.userTime, elapsed),
      throttledPeriods: usage.throttledPeriods, throttledTime: usage.throttledTime,
      percent: Self.percent(last?.cpuTime, usage.cpuTime, elapsed))
    cpu.totalTicks = self.ticks(cpu)
    let memory = MemoryUsage(
      rss: usage.anonymousMemory, cache: usage.fileCache, swap: usage.swap, usage: usage.memory,
      maximumUsage: usage.memoryPeak, kernelUsage: usage.kernelMemory,
      kernelMaximumUsage: usage.kernelMemoryPeak)
    var result = TaskResourceUsage(timestamp: time, cpu: cpu, memory: memory)
    for (number, process) in usage.processes {
      let before = last?.processes[number].flatMap { $0.startTime == process.startTime ? $0 : nil }
      result.processes[number] = self.sample(process, since: before, elapsed)
    }
    return result
  }

  private func sample(_ process: ProcessUsage, since last: ProcessUsage?, _ elapsed: Duration)
    -> TaskResourceUsage.Process
  {
    var cpu = CPUUsage(
      systemMode: Self.percent(last?.systemTime, process.systemTime, elapsed),
      userMode: Self.percent(last?.userTime, process.userTime, elapsed))
    if let system = cpu.systemMode, let user = cpu.userMode { cpu.percent = system + user }
    cpu.totalTicks = self.ticks(cpu)
    return TaskResourceUsage.Process(cpu: cpu, memory: MemoryUsage(rss: process.residentMemory))
  }

  private func ticks(_ cpu: CPUUsage) -> Double? {
    guard let topology = self.topology, !topology.cores.isEmpty else { return nil }
    return cpu.percent.map(topology.ticks(percent:))
  }

  /// The share of one processor that an increase of CPU time is, both in nanoseconds; nil if it is not known.
  private static func percent(_ last: UInt64?, _ now: UInt64?, _ elapsed: Duration) -> Double? {
    guard let last, let now, now >= last, elapsed > .zero else { return nil }
    return Double(now - last) / (elapsed / .nanoseconds(1)) * 100
  }
}
