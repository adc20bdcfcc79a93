import Transcripts
import AsyncPrimitives
import Logging
import NomadPlugin
import Processes
import Systemd

/// Stops a task's unit: gracefully, and by SIGKILL after a timeout.
struct UnitStopper: Sendable {
  let task: UnitTask
  let systemd: SystemdClient
  let watcher: UnitWatcher
  let logger: Logger

  /// How long the end of a unit that is killed may take.
  private static let killTimeout: Duration = .seconds(30)
  /// How long a hanging systemctl is waited for when there is nothing left to stop.
  private static let hangTimeout: Duration = .seconds(5)
  /// How often SIGKILL is sent: commands of the unit that are run when it stops begin only then.
  private static let killInterval: Duration = .seconds(1)

  private var unit: UnitName { self.task.unit }

  /// Stops the unit and waits until it has ended.
  ///
  /// - Parameters:
  ///   - deadline: when the unit is killed. A stop that waits for its turn has as much time from when systemd is asked.
  ///   - signal: what the main process gets first; nil or empty for nothing.
  /// - Throws: `SystemdError` if systemd cannot stop it, `DriverError` if the unit goes on, `CancellationError`.
  func stop(deadline: ContinuousClock.Instant, signal: String?) async throws {
    if let signal, !signal.isEmpty, self.task.milestones.removed.current == nil {
      try await self.sendKillSignal(signal, deadline: deadline)
    }
    try await self.stopOrKill(within: max(.zero, ContinuousClock.now.duration(to: deadline)))
    self.watcher.hint(self.unit)
    // The watcher sees it at once, unless it has much to do. If the unit runs on, Nomad tries again.
    guard await self.task.isDown(by: .now + UnitTask.observationTimeout) else {
      throw DriverError.recoverable(
        "systemctl stop \(self.unit) has succeeded, but systemd does not say that the unit has ended. See: systemctl "
          + "status \(self.unit)")
    }
    await self.reportTriggers()
  }

  /// Sends the job's `kill_signal` to the main process and gives it the time to end.
  private func sendKillSignal(_ signal: String, deadline: ContinuousClock.Instant) async throws {
    do {
      await self.task.waitForFirstObservation()
      let processID = await self.task.status?.mainProcessID
      try await self.systemd.systemctl.kill(self.unit, signal: signal, whom: .main)
      await self.waitForEnd(ofMainProcess: processID, by: deadline)
    } catch let error as SystemdError {
      // There may be no main process; the stop comes in any case.
      self.logger.warning("Cannot send the job's kill_signal", metadata: ["error": "\(error)"])
    }
  }

  /// Waits until the unit has ended, or its main process has: systemd would start it again (Restart=).
  private func waitForEnd(ofMainProcess processID: Int32?, by deadline: ContinuousClock.Instant) async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { _ = await self.task.milestones.hasEnded(by: deadline) }
      if let processID, self.systemd.location.isLocal {
        group.addTask {
          let ended = Promise<Void>()
          let monitor = ProcessExitMonitor(of: processID) { ended.fulfil(()) }
          if monitor != nil { _ = try? await ended.value }
          withExtendedLifetime(monitor) {}
        }
      }
      if let replay = self.systemd.location.replay {
        // The end of the process made the driver go on when this was recorded.
        group.addTask { try? await replay.waitForNextChange(of: self.unit) }
      }
      await group.next()
      group.cancelAll()
    }
  }

  /// Runs the stop job; after `timeout` kills all processes of the unit until the job is done.
  private func stopOrKill(within timeout: Duration) async throws {
    // Many stops wait for their turn, and the unit has not been asked before that.
    let stopIssued = Promise<Void>()
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        if timeout > .zero {
          guard (try? await stopIssued.value) != nil, (try? await Task.sleep(for: timeout)) != nil else {
            return
          }
        }
        await self.task.report(.killing(unit: self.unit.name))
        while !Task.isCancelled {
          try? await self.systemd.systemctl.kill(self.unit, signal: "SIGKILL", whom: .all)
          try? await Task.sleep(for: Self.killInterval)
        }
      }
      // Stopping also keeps systemd from starting the unit again (Restart=), so it is done in any case.
      group.addTask {
        do {
          try await self.systemd.systemctl.stop(self.unit, timeLimit: timeout + Self.killTimeout) {
            stopIssued.fulfil(())
          }
        } catch let error as SystemdError where error.reason == .unitNotFound {
          // It has ended, and is gone.
        }
      }
      group.addTask {
        _ = try await self.task.milestones.unitEnded.value
        try await Task.sleep(for: Self.hangTimeout)
      }
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  /// Reports which units could start the unit again, now that it is stopped.
  private func reportTriggers() async {
    let triggers = await self.task.status?.triggeredBy.compactMap { try? UnitName($0) } ?? []
    guard !triggers.isEmpty, let listings = try? await self.systemd.systemctl.listUnits(triggers) else {
      return
    }
    let active = listings.filter { $0.value.activeState == .active }.keys.map(\.name).sorted()
    if !active.isEmpty { await self.task.report(.triggers(unit: self.unit.name, names: active)) }
  }
}
