import Foundation
import NomadPlugin
import Systemd

/// Turns what systemd counts for a unit into what Nomad shows.
struct UnitStatistics {
  private let topology: Topology?
  private var last: (time: Date, cpuNanoseconds: UInt64)?

  /// - Parameter topology: the node's compute, for the ticks; they are not known without.
  init(topology: Topology?) { self.topology = topology }

  /// The usage at a time. What systemd does not count is left out; the CPU's share is known from the second sample.
  mutating func sample(_ status: UnitStatus, at time: Date) -> TaskResourceUsage {
    var cpu = CPUUsage()
    if let nanoseconds = status.cpuUsageNanoseconds {
      // The counter begins anew when the unit is restarted.
      if let last = self.last, time > last.time, nanoseconds >= last.cpuNanoseconds {
        let percent =
          Double(nanoseconds - last.cpuNanoseconds) / (time.timeIntervalSince(last.time) * 1e9) * 100
        cpu.percent = percent
        cpu.totalTicks = self.topology?.ticks(percent: percent)
      }
      self.last = (time, nanoseconds)
    }
    let memory = MemoryUsage(usage: status.memoryCurrent, maximumUsage: status.memoryPeak)
    return TaskResourceUsage(timestamp: time, cpu: cpu, memory: memory)
  }
}
