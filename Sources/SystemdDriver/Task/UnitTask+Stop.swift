import Logging
import AsyncPrimitives
import NomadPlugin
import Systemd

extension UnitTask {
  /// Stops the unit: gracefully, and by SIGKILL after the timeout.
  func stop(timeout: Duration, signal: String?) async throws {
    guard self.isRunning else { return }
    if self.options.onStop == .leave {
      self.report(.left(unit: self.unit.name))
      self.apply(self.lifecycle.leave())
      return
    }
    self.report(.stopping(unit: self.unit.name))
    let deadline = ContinuousClock.now + timeout
    if case .starting = self.lifecycle.phase {
      // Its systemctl start may wait for its turn; it must not come after the stop.
      self.milestones.startAnswered.fulfil(
        .failure(DriverError.recoverable("The task was stopped before \(self.unit) had started.")))
      await self.remove()
    }
    let stopper = UnitStopper(
      task: self, systemd: self.systemd, watcher: self.watcher, logger: self.logger)
    try await stopper.stop(deadline: deadline, signal: signal)
  }

  /// The driver is about to stop the unit.
  func stopRequested() { self.lifecycle.stopRequested() }

  /// A stop job of the driver's has succeeded.
  func stopSucceeded(of invocationID: String?) {
    self.stopDoneAt = .now
    self.lifecycle.stopSucceeded(of: invocationID)
  }

  /// Whether somebody else has started the unit at once when the driver had stopped it.
  var isStartedAgain: Bool { self.lifecycle.isStartedAgain }

  /// Whether the unit is down: now and then systemd is asked once more.
  func isDown(by deadline: ContinuousClock.Instant) async -> Bool {
    while !Task.isCancelled {
      if await self.milestones.hasEnded(by: min(deadline, .now + Self.observationTimeout)) { return true }
      let askedAt = ContinuousClock.now
      if let status = try? await self.systemd.showPatiently(self.unit) {
        await self.observe(UnitWatcher.Observation(status: status, askedAt: askedAt))
      }
      if !self.isRunning { return true }
      if ContinuousClock.now >= deadline { return false }
    }
    return false
  }

  /// Makes systemd forget that the unit has failed, so that its start limit does not refuse the next start.
  ///
  /// - Throws: `CancellationError`.
  func resetFailure() async throws {
    guard self.lifecycle.status?.activeState == .failed else { return }
    do {
      try await SystemdError.retrying(
        after: [.seconds(1), .seconds(1)],
        if: { $0.reason != .unitNotFound && $0.reason != .accessDenied }
      ) { [systemd, unit] in
        try await systemd.systemctl.resetFailed(unit)
      }
    } catch let error as SystemdError where error.reason == .unitNotFound {
      // Somebody else has reset it, and systemd has unloaded it.
    } catch let error as SystemdError {
      self.logger.warning("Cannot reset the failed unit", metadata: ["error": "\(error)"])
    }
  }
}
