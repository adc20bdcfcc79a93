import ControlGroups
import Foundation
import NomadPlugin
import Testing

@testable import SystemdDriver

@Suite struct UnitStatisticsTests {
  private let start = ContinuousClock.now
  private let topology = Topology(cores: [.init(baseSpeed: 1000), .init(baseSpeed: 3000)])

  private func usage(after seconds: Int, cpu: UInt64?, of identity: String = "a") -> ControlGroupUsage {
    var usage = ControlGroupUsage(time: self.start + .seconds(seconds))
    usage.identity = identity
    usage.cpuTime = cpu.map { $0 * 1_000_000 }
    return usage
  }

  @Test func percentOfOneProcessorAndTicks() {
    var statistics = UnitStatistics(topology: self.topology)
    let first = statistics.sample(self.usage(after: 0, cpu: 500), at: Date()).cpu
    #expect(first == CPUUsage())
    var usage = self.usage(after: 2, cpu: 3500)
    (usage.throttledPeriods, usage.throttledTime) = (3, 4)
    let second = statistics.sample(usage, at: Date()).cpu
    // 3 s in 2 s; the node's 4000 MHz are 2000 a processor.
    #expect(second.percent == 150 && second.totalTicks == 3000)
    #expect(second.throttledPeriods == 3 && second.throttledTime == 4)
    #expect(second.userMode == nil && second.systemMode == nil)
  }

  @Test func userAndSystem() {
    var statistics = UnitStatistics(topology: nil)
    for (second, user, system) in [(0, 0, 0), (1, 300, 100)] as [(Int, UInt64, UInt64)] {
      var usage = self.usage(after: second, cpu: user + system)
      (usage.userTime, usage.systemTime) = (user * 1_000_000, system * 1_000_000)
      let cpu = statistics.sample(usage, at: Date()).cpu
      guard second == 1 else { continue }
      #expect(cpu == CPUUsage(systemMode: 10, userMode: 30, percent: 40))
    }
  }

  @Test func ticksNeedProcessors() {
    var statistics = UnitStatistics(topology: Topology(cores: []))
    _ = statistics.sample(self.usage(after: 0, cpu: 0), at: Date())
    let cpu = statistics.sample(self.usage(after: 1, cpu: 100), at: Date()).cpu
    #expect(cpu.percent == 10 && cpu.totalTicks == nil)
  }

  @Test func countersThatBeginAnew() {
    var statistics = UnitStatistics(topology: nil)
    func percent(_ usage: ControlGroupUsage) -> Double? { statistics.sample(usage, at: Date()).cpu.percent }
    #expect(percent(self.usage(after: 0, cpu: 900)) == nil)
    // Another run, which has used more already.
    #expect(percent(self.usage(after: 1, cpu: 1000, of: "b")) == nil)
    #expect(percent(self.usage(after: 2, cpu: 1500, of: "b")) == 50)
    // The counter alone tells as well.
    #expect(percent(self.usage(after: 3, cpu: 100, of: "b")) == nil)
    #expect(percent(self.usage(after: 4, cpu: 200, of: "b")) == 10)
    // A sample in which nothing was counted, and one at the same time as the last.
    #expect(percent(self.usage(after: 5, cpu: nil, of: "b")) == nil)
    #expect(percent(self.usage(after: 6, cpu: 300, of: "b")) == nil)
    #expect(percent(self.usage(after: 6, cpu: 400, of: "b")) == nil)
  }

  @Test func memory() {
    var statistics = UnitStatistics(topology: nil)
    var usage = ControlGroupUsage()
    (usage.memory, usage.memoryPeak, usage.anonymousMemory, usage.fileCache) = (1, 2, 3, 4)
    (usage.swap, usage.kernelMemory, usage.kernelMemoryPeak) = (0, 6, 7)
    #expect(
      statistics.sample(usage, at: Date()).memory
        == MemoryUsage(
          rss: 3, cache: 4, swap: 0, usage: 1, maximumUsage: 2, kernelUsage: 6, kernelMaximumUsage: 7))
    #expect(statistics.sample(ControlGroupUsage(), at: Date()).memory == MemoryUsage())
  }

  private func process(user: Int, start: Int) throws -> ProcessUsage {
    let text = "7 (x) S 1 1 1 0 -1 0 9 0 0 0 \(user) 0 0 0 20 0 1 0 \(start) 99 1 1 2 3"
    return try #require(ProcessUsage(stat: Array(text.utf8)))
  }

  @Test func processes() throws {
    var statistics = UnitStatistics(topology: self.topology)
    func sample(_ seconds: Int, _ process: ProcessUsage) throws -> TaskResourceUsage.Process {
      var usage = self.usage(after: seconds, cpu: nil)
      usage.processes = [7: process]
      return try #require(statistics.sample(usage, at: Date()).processes[7])
    }
    let first = try sample(0, self.process(user: 10, start: 1))
    #expect(first.cpu == CPUUsage() && first.memory == MemoryUsage(rss: UInt64(sysconf(Int32(_SC_PAGESIZE)))))
    let ticks = Int(sysconf(Int32(_SC_CLK_TCK)))
    let second = try sample(1, self.process(user: 10 + ticks / 2, start: 1))
    #expect(second.cpu == CPUUsage(systemMode: 0, userMode: 50, totalTicks: 1000, percent: 50))
    // Another process of that number.
    let third = try sample(2, self.process(user: 1000, start: 2))
    #expect(third.cpu == CPUUsage())
  }

  @Test func whatSystemdTells() throws {
    let status = try status(
      "active",
      [
        "InvocationID": "a", "CPUUsageNSec": "5", "MemoryCurrent": "6", "MemoryPeak": "[not set]",
        "MemorySwapCurrent": "18446744073709551615",
      ])
    let usage = ControlGroupUsage(status, time: self.start)
    #expect(usage.identity == "a" && usage.cpuTime == 5 && usage.memory == 6)
    #expect(usage.memoryPeak == nil && usage.swap == nil && usage.userTime == nil)
  }
}
