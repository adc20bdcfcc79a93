import AsyncPrimitives
import ControlGroups
import Dispatch
import Synchronization
import Systemd

/// Reads what units use: from the kernel's files about their control groups, or where those are another host's or
/// cannot be read, from systemd. All samples that are due at about the same time are taken together.
final class UsageSampler: Sendable {
  /// A subscription to the samples of a unit.
  private final class Sampling: Sendable {
    private let controlGroup: @Sendable () -> String?
    private let reader: ControlGroupReader?
    let interval: Duration
    private let samples: AsyncStream<ControlGroupUsage?>.Continuation

    init(
      _ controlGroup: @escaping @Sendable () -> String?, _ groups: ControlGroups?, every interval: Duration,
      _ samples: AsyncStream<ControlGroupUsage?>.Continuation
    ) {
      self.controlGroup = controlGroup
      self.reader = groups.map(ControlGroupReader.init)
      self.interval = interval
      self.samples = samples
    }

    func read() -> ControlGroupUsage? { self.controlGroup().flatMap { self.reader?.usage(of: $0) } }

    func yield(_ usage: ControlGroupUsage?) { self.samples.yield(usage) }
  }

  private struct State {
    var samplings: [UInt64: (sampling: Sampling, due: ContinuousClock.Instant)] = [:]
    var lastID: UInt64 = 0
  }

  private let groups: ControlGroups?
  /// Reading can block, so it has no place on the cooperative pool.
  private let queue = DispatchQueue(label: "systemd.usage")
  private let statuses: RequestCoalescer<UnitName, ControlGroupUsage>
  private let state = Mutex(State())
  /// Sent when somebody wants a first sample.
  private let joined = AsyncSignal()
  private let epoch = ContinuousClock.now

  /// For how long a first sample, and what systemd has to be asked, waits for others.
  private static let window: Duration = .milliseconds(10)

  /// - Parameters:
  ///   - groups: those of this host; nil if they are not the units'.
  ///   - systemctl: asks systemd.
  init(groups: ControlGroups?, systemctl: Systemctl) {
    self.groups = groups
    self.statuses = RequestCoalescer(window: Self.window) { units in
      let time = ContinuousClock.now
      return try await systemctl.show(units).compactMapValues { status in
        (try? status.get()).map { ControlGroupUsage($0, time: time) }
      }
    }
  }

  /// Reads until the task is cancelled.
  func run() async {
    await withDiscardingTaskGroup { group in
      group.addTask { await self.sample() }
      group.addTask { await self.statuses.run() }
    }
  }

  /// A unit's usage from the kernel's files, at once and then every `interval`, until the stream ends.
  ///
  /// A sample is nil if the files cannot be read; then ``usage(of:in:)`` may have one. A sample that nobody has taken when
  /// the next one comes is dropped.
  ///
  /// - Parameter controlGroup: the unit's control group, as systemd tells it at that time.
  func samples(every interval: Duration, in controlGroup: @escaping @Sendable () -> String?)
    -> (samples: AsyncStream<ControlGroupUsage?>, AsyncStream<ControlGroupUsage?>.Continuation)
  {
    let (samples, continuation) = AsyncStream.makeStream(
      of: ControlGroupUsage?.self, bufferingPolicy: .bufferingNewest(1))
    let sampling = Sampling(controlGroup, self.groups, every: interval, continuation)
    let id = self.state.withLock { state in
      state.lastID += 1
      state.samplings[state.lastID] = (sampling, due: .now)
      return state.lastID
    }
    continuation.onTermination = { [weak self] _ in self?.end(id) }
    self.joined.send()
    return (samples, continuation)
  }

  /// What systemd tells of a unit's usage.
  ///
  /// - Parameter controlGroup: its control group, as systemd tells it; nothing is counted for a unit without.
  /// - Throws: `SystemdError`; `CancellationError`.
  func usage(of unit: UnitName, in controlGroup: String?) async throws -> ControlGroupUsage {
    guard controlGroup != nil else { return ControlGroupUsage() }
    return try await self.statuses.value(for: unit) ?? ControlGroupUsage()
  }

  private func sample() async {
    var seen: UInt64 = 0
    while !Task.isCancelled {
      let next = self.state.withLock { $0.samplings.values.lazy.map { $0.due }.min() }
      if let next {
        _ = try? await withDeadline(next) { [seen] in try await self.joined.wait(after: seen) }
      } else {
        try? await self.joined.wait(after: seen)
      }
      // Others may come at about the same time.
      if self.joined.count > seen { try? await Task.sleep(for: Self.window) }
      seen = self.joined.count
      await self.read(self.takeDue())
    }
  }

  private func end(_ id: UInt64) {
    let sampling = self.state.withLock { $0.samplings.removeValue(forKey: id) }
    // Not with the lock held: its files are closed now.
    withExtendedLifetime(sampling) {}
  }

  /// The subscriptions whose next sample is due.
  private func takeDue() -> [Sampling] {
    self.state.withLock { state in
      let now = ContinuousClock.now
      var samplings: [Sampling] = []
      for (id, (sampling, due)) in state.samplings where due <= now {
        state.samplings[id]?.due = now + self.timeToNextSample(every: sampling.interval, from: now)
        samplings.append(sampling)
      }
      return samplings
    }
  }

  private func read(_ samplings: [Sampling]) async {
    guard !samplings.isEmpty else { return }
    await withCheckedContinuation { continuation in
      self.queue.async {
        // Read everything before publishing; consumers would compete for the CPU.
        let usages = samplings.map { $0.read() }
        for (sampling, usage) in zip(samplings, usages) { sampling.yield(usage) }
        continuation.resume()
      }
    }
  }

  /// The time to the next sample: between half the interval and one and a half. All subscriptions with one interval are
  /// due at the same times, so that they are read together.
  func timeToNextSample(every interval: Duration, from now: ContinuousClock.Instant = .now) -> Duration {
    let intervals = (now - self.epoch) / interval
    let rest = interval * (1 - (intervals - intervals.rounded(.down)))
    return rest < interval / 2 ? rest + interval : rest
  }
}
