import ControlGroups
import Synchronization
import Systemd
import TestHelpers
import Testing

@testable import SystemdDriver

@Suite struct UsageSamplerTests {
  /// A systemd in which units have used some CPU time.
  private func systemd(_ units: [UnitName]) -> FakeSystemd {
    let systemd = FakeSystemd()
    for unit in units { systemd.add(unit.name) { $0.properties["CPUUsageNSec"] = "7" } }
    return systemd
  }

  private func withSampler(_ systemd: FakeSystemd, _ body: (UsageSampler) async throws -> Void) async throws {
    let sampler = UsageSampler(groups: nil, systemctl: Systemctl(runner: systemd, path: "/bin/systemctl"))
    let running = Task { await sampler.run() }
    defer { running.cancel() }
    try await body(sampler)
  }

  @Test func systemdIsAskedWhereFilesCannotBe() async throws {
    let units = try (1...20).map { try UnitName("u\($0).service") }
    let systemd = self.systemd(units)
    try await self.withSampler(systemd) { sampler in
      try await withThrowingTaskGroup(of: ControlGroupUsage.self) { group in
        for unit in units + units {
          group.addTask { try await sampler.usage(of: unit, in: "/system.slice/\(unit)") }
        }
        for try await usage in group { #expect(usage.cpuTime == 7 && usage.memory == nil) }
      }
      // However they fell into batches, no command asked for a unit twice.
      for show in systemd.commands(.show) { #expect(Set(show.operands).count == show.operands.count) }
      let usage = try await sampler.usage(of: units[0], in: nil)
      #expect(usage.cpuTime == nil)
    }
  }

  @Test func aFailureReachesAllWhoAsk() async throws {
    let systemd = FakeSystemd()
    systemd.fail(.show, .unreachable)
    try await self.withSampler(systemd) { sampler in
      let unit = try UnitName("a.service")
      await #expect(throws: SystemdError.self) { try await sampler.usage(of: unit, in: "/a") }
      await #expect(throws: SystemdError.self) { try await sampler.usage(of: unit, in: "/a") }
    }
  }

  @Test func aCancelledCallerWaitsNoLonger() async throws {
    let sampler = UsageSampler(
      groups: nil, systemctl: Systemctl(runner: FakeSystemd(), path: "/bin/systemctl"))
    let unit = try UnitName("a.service")
    // Nothing answers.
    let waiting = Task { try await sampler.usage(of: unit, in: "/a") }
    waiting.cancel()
    await #expect(throws: CancellationError.self) { try await waiting.value }
  }

  @Test(.timeLimit(.minutes(1))) func samplesAtOnceAndAtEachInterval() async throws {
    try await self.withSampler(FakeSystemd()) { sampler in
      // Nobody can read files here: who asks is told so, at once and again and again.
      for interval in [Duration.milliseconds(20), .milliseconds(50), .seconds(3600)] {
        let (samples, _) = sampler.samples(every: interval) { "/a" }
        var iterator = samples.makeAsyncIterator()
        for _ in 0..<(interval < .seconds(1) ? 5 : 1) { #expect(await iterator.next() == .some(nil)) }
      }
    }
  }

  @Test(.timeLimit(.minutes(1))) func aSlowReaderGetsTheNewestSampleAndHoldsNobodyBack() async throws {
    try await self.withSampler(FakeSystemd()) { sampler in
      let ticks = Mutex(0)
      let (slow, sampling) = sampler.samples(every: .milliseconds(20)) {
        ticks.withLock { $0 += 1 }
        return "/a"
      }
      let (quick, _) = sampler.samples(every: .milliseconds(20)) { "/b" }
      var iterator = quick.makeAsyncIterator()
      while ticks.withLock({ $0 }) < 5 { _ = await iterator.next() }
      sampling.finish()
      let count = await slow.reduce(0) { count, _ in count + 1 }
      #expect(count == 1)
    }
  }

  @Test(.timeLimit(.minutes(1))) func nothingIsKeptOfAStreamThatHasEnded() async throws {
    final class Witness: Sendable {}
    try await self.withSampler(FakeSystemd()) { sampler in
      weak var finished: Witness?
      weak var dropped: Witness?
      do {
        let (witness, other) = (Witness(), Witness())
        (finished, dropped) = (witness, other)
        let (_, sampling) = sampler.samples(every: .seconds(3600)) { withExtendedLifetime(witness) { "/a" } }
        sampling.finish()
        let (samples, _) = sampler.samples(every: .seconds(3600)) { withExtendedLifetime(other) { "/b" } }
        // As a cancelled call does.
        let reading = Task { for await _ in samples {} }
        reading.cancel()
        await reading.value
      }
      // A sample may be under way.
      while finished != nil || dropped != nil { try await Task.sleep(for: .milliseconds(5)) }
    }
  }

  @Test func samplesFallOnTheSameTimes() {
    let sampler = UsageSampler(
      groups: nil, systemctl: Systemctl(runner: FakeSystemd(), path: "/bin/systemctl"))
    for _ in 0..<1000 {
      let rest = sampler.timeToNextSample(every: .seconds(2))
      #expect(rest >= .seconds(1) && rest <= .seconds(3))
    }
  }
}
