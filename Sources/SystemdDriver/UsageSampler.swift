import Dispatch
import Systemd

/// Reads what units use: from the kernel's files about their control groups, or where those are another host's or
/// cannot be read, from systemd. All who ask at about the same time are answered together.
final class UsageSampler: Sendable {
  private let controlGroups: RequestBatches<ControlGroupPath, UnitUsage>?
  private let statuses: RequestBatches<UnitName, UnitUsage>
  private let epoch = ContinuousClock.now

  /// For how long a sample waits for others.
  private static let window: Duration = .milliseconds(10)

  /// - Parameters:
  ///   - reader: reads the files; nil where this host's are not the units'.
  ///   - systemctl: asks systemd.
  init(reader: ControlGroupReader?, systemctl: Systemctl) {
    let queue = DispatchQueue(label: "systemd.usage")
    self.controlGroups = reader.map { reader in
      RequestBatches(window: Self.window) { paths in
        await withCheckedContinuation { continuation in
          // Off the threads that all tasks share: the kernel may let a reader wait.
          queue.async {
            continuation.resume(returning: reader.usage(of: paths))
          }
        }
      }
    }
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
      if let controlGroups = self.controlGroups { group.addTask { await controlGroups.run() } }
      group.addTask { await self.statuses.run() }
    }
  }

  /// What a unit uses now.
  ///
  /// - Parameter controlGroup: its control group, as systemd tells it; nothing is counted for a unit without.
  /// - Throws: `SystemdError` if systemd had to be asked; `CancellationError`.
  func usage(of unit: UnitName, in controlGroup: String?) async throws -> UnitUsage {
    guard let controlGroup else { return UnitUsage() }
    if let controlGroups = self.controlGroups, let path = ControlGroupPath(controlGroup),
      let usage = try await controlGroups.answer(to: path)
    {
      return usage
    }
    return try await self.statuses.answer(to: unit) ?? UnitUsage()
  }

  /// The time from now to the next sample: all who sample at one interval do it at the same times, so that they are
  /// answered together. It is at least half the interval, and at most one and a half.
  func timeToNextSample(every interval: Duration) -> Duration {
    let intervals = (ContinuousClock.now - self.epoch) / interval
    let rest = interval * (1 - (intervals - intervals.rounded(.down)))
    return rest < interval / 2 ? rest + interval : rest
  }
}
