import ControlGroups
import Foundation
import Logging
import NomadPlugin
import Systemd

/// Reports what a task's unit uses, sample by sample.
struct UnitUsageReporter: Sendable {
  let task: UnitTask
  let sampler: UsageSampler
  let topology: Topology?
  let logger: Logger

  /// Reports at once and then every `interval`, until the unit has ended.
  ///
  /// - Throws: what `report` throws; `CancellationError`.
  func run(
    every interval: Duration, _ report: @Sendable (TaskResourceUsage) async throws -> Void
  ) async throws {
    guard self.task.isRunning else { return }
    // Until then its control group is not known.
    await self.task.waitForFirstObservation()
    let (samples, sampling) = self.sampler.samples(every: interval) { self.task.controlGroup }
    try await withThrowingDiscardingTaskGroup { group in
      group.addTask {
        _ = await self.task.milestones.hasEnded()
        sampling.finish()
      }
      defer { group.cancelAll() }
      var statistics = UnitStatistics(topology: self.topology)
      var hasFailed = false
      for await sample in samples {
        do {
          let usage = try await self.usage(sample)
          hasFailed = false
          try await report(statistics.sample(usage, at: Date()))
        } catch let error as SystemdError {
          if !hasFailed {
            self.logger.warning("Cannot read the unit's resource usage", metadata: ["error": "\(error)"])
          }
          hasFailed = true
        }
      }
    }
    try Task.checkCancellation()
  }

  /// A sample from the kernel's files, or else systemd's own answer.
  private func usage(_ sample: ControlGroupUsage?) async throws -> ControlGroupUsage {
    if let sample { return sample }
    return try await self.sampler.usage(of: self.task.unit, in: self.task.controlGroup)
  }
}
