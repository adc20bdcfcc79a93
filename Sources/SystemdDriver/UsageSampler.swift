import Dispatch
import Promises
import Synchronization
import Systemd

/// Reads what units use: from the kernel's files about their control groups, or where those are another host's or
/// cannot be read, from systemd. All samples that are due at about the same time are taken together.
final class UsageSampler: Sendable {
  /// One who wants samples of a unit.
  private struct Sampling: Sendable {
    let controlGroup: @Sendable () -> String?
    let interval: Duration
    let samples: AsyncStream<UnitUsage?>.Continuation
    var due: ContinuousClock.Instant
  }

  private struct State {
    var samplings: [UInt64: Sampling] = [:]
    var lastID: UInt64 = 0
    /// Fulfilled when somebody wants a first sample.
    var news = Promise<Void>()
  }

  private let reader: ControlGroupReader?
  /// The kernel may let a reader wait: off the threads that all tasks share.
  private let queue = DispatchQueue(label: "systemd.usage")
  private let statuses: RequestBatches<UnitName, UnitUsage>
  private let state = Mutex(State())
  private let epoch = ContinuousClock.now

  /// For how long a first sample, and what systemd has to be asked, waits for others.
  private static let window: Duration = .milliseconds(10)

  /// - Parameters:
  ///   - reader: reads the files; nil where this host's are not the units'.
  ///   - systemctl: asks systemd.
  init(reader: ControlGroupReader?, systemctl: Systemctl) {
    self.reader = reader
    self.statuses = RequestBatches(window: Self.window) { units in
      let time = ContinuousClock.now
      return try await systemctl.show(units).compactMapValues { status in
        (try? status.get()).map { UnitUsage($0, time: time) }
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

  /// What the files tell of a unit's usage, at once and then every `interval`, until the stream ends; nil is that they
  /// do not, and ``usage(of:in:)`` may. A sample that nobody has taken when the next one comes is dropped.
  ///
  /// - Parameter controlGroup: the unit's control group, as systemd tells it at that time.
  func samples(every interval: Duration, in controlGroup: @escaping @Sendable () -> String?)
    -> (samples: AsyncStream<UnitUsage?>, AsyncStream<UnitUsage?>.Continuation)
  {
    let (samples, continuation) = AsyncStream.makeStream(
      of: UnitUsage?.self, bufferingPolicy: .bufferingNewest(1))
    let (id, news) = self.state.withLock { state in
      state.lastID += 1
      state.samplings[state.lastID] = Sampling(
        controlGroup: controlGroup, interval: interval, samples: continuation, due: .now)
      return (state.lastID, state.news)
    }
    continuation.onTermination = { [weak self] _ in self?.state.withLock { $0.samplings[id] = nil } }
    news.fulfil(())
    return (samples, continuation)
  }

  /// What systemd tells of a unit's usage.
  ///
  /// - Parameter controlGroup: its control group, as systemd tells it; nothing is counted for a unit without.
  /// - Throws: `SystemdError`; `CancellationError`.
  func usage(of unit: UnitName, in controlGroup: String?) async throws -> UnitUsage {
    guard controlGroup != nil else { return UnitUsage() }
    return try await self.statuses.answer(to: unit) ?? UnitUsage()
  }

  private func sample() async {
    while !Task.isCancelled {
      let (news, next) = self.state.withLock { ($0.news, $0.samplings.values.lazy.map(\.due).min()) }
      if let next {
        _ = try? await news.value(within: next - .now)
      } else {
        _ = try? await news.value
      }
      if news.current != nil { try? await Task.sleep(for: Self.window) }
      let due = self.takeDue()
      let groups = due.map { sampling in sampling.controlGroup().flatMap(ControlGroupPath.init) }
      let usages = await self.read(groups.compactMap(\.self))
      for (sampling, group) in zip(due, groups) { sampling.samples.yield(group.flatMap { usages[$0] }) }
    }
  }

  /// Those who are to get a sample now.
  private func takeDue() -> [Sampling] {
    self.state.withLock { state in
      if state.news.current != nil { state.news = Promise() }
      let now = ContinuousClock.now
      var due: [Sampling] = []
      for index in state.samplings.values.indices where state.samplings.values[index].due <= now {
        let interval = state.samplings.values[index].interval
        state.samplings.values[index].due = now + self.timeToNextSample(every: interval, from: now)
        due.append(state.samplings.values[index])
      }
      return due
    }
  }

  private func read(_ groups: [ControlGroupPath]) async -> [ControlGroupPath: UnitUsage] {
    guard let reader = self.reader, !groups.isEmpty else { return [:] }
    return await withCheckedContinuation { continuation in
      self.queue.async { continuation.resume(returning: reader.usage(of: groups)) }
    }
  }

  /// The time to the next sample: all who sample at one interval do it at the same times, so that they are answered
  /// together. It is at least half the interval, and at most one and a half.
  func timeToNextSample(every interval: Duration, from now: ContinuousClock.Instant = .now) -> Duration {
    let intervals = (now - self.epoch) / interval
    let rest = interval * (1 - (intervals - intervals.rounded(.down)))
    return rest < interval / 2 ? rest + interval : rest
  }
}
