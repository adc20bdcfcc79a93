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
  /// How long a systemctl goes on without a job before the job is looked for.
  private static let lostJobTimeout: Duration = .seconds(15)
  /// How long to wait before a stop that has failed is tried again.
  private static let retryDelay: Duration = .seconds(1)
  /// How often SIGKILL is sent: commands of the unit that are run when it stops begin only then.
  private static let killInterval: Duration = .seconds(1)

  private var unit: UnitName { self.task.unit }

  /// Stops the unit and waits until it has ended. A unit that somebody else starts again at once has ended as well.
  ///
  /// - Parameters:
  ///   - deadline: when the unit is killed. A stop that waits for its turn has as much time from when systemd is asked.
  ///   - signal: what the main process gets first; nil or empty for nothing.
  /// - Throws: `SystemdError` if systemd cannot stop it, `DriverError` if the unit goes on, `CancellationError`.
  func stop(deadline: ContinuousClock.Instant, signal: String?) async throws {
    await self.task.stopRequested()
    if let signal, !signal.isEmpty, self.task.milestones.removed.current == nil {
      try await self.sendKillSignal(signal, deadline: deadline)
    }
    // A run that is not known could not be told from the next one.
    if self.task.milestones.removed.current == nil { await self.task.waitForFirstObservation() }
    let invocationID = await self.task.invocationID
    do {
      try await self.stopOrKill(invocationID, within: max(.zero, ContinuousClock.now.duration(to: deadline)))
    } catch let error as SystemdError {
      let starters = await self.starters(includingUpholders: true)
      guard !starters.isEmpty else { throw error }
      throw DriverError.recoverable(
        "\(error) The unit can be started at any time by \(starters.joined(separator: ", ")): stop these first."
      )
    }
    await self.task.stopSucceeded(of: invocationID)
    self.watcher.hint(self.unit)
    // The watcher sees it at once, unless it or systemd has much to do.
    guard await self.task.isDown(by: .now + Self.killTimeout) else {
      throw DriverError.recoverable(
        "systemctl stop \(self.unit) has succeeded, but systemd does not say that the unit has ended. See: systemctl "
          + "status \(self.unit)")
    }
    await self.reportStarters()
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
  private func stopOrKill(_ invocationID: String?, within timeout: Duration) async throws {
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
        try await self.issueStop(timeLimit: timeout + Self.killTimeout) { stopIssued.fulfil(()) }
      }
      group.addTask {
        _ = try await self.task.milestones.unitDown.value
        try await Task.sleep(for: Self.hangTimeout)
      }
      group.addTask {
        try await stopIssued.value
        try await self.waitForLaterRun(than: invocationID)
      }
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  /// Waits until another run of the unit shows that the stop job is done. A `systemctl stop` can miss the end of its job when
  /// systemd reads its files anew at that moment, and waits on.
  private func waitForLaterRun(than invocationID: String?) async throws {
    while true {
      try await Task.sleep(for: Self.lostJobTimeout)
      guard let invocationID, let status = try? await self.systemd.show(self.unit) else { continue }
      if status.jobID == nil, let later = status.invocationID, later != invocationID { return }
    }
  }

  /// Runs the stop job. An error that may pass does not end the attempt: the unit is still to be killed in time.
  private func issueStop(timeLimit: Duration, onTurn: @escaping @Sendable () -> Void) async throws {
    let deadline = ContinuousClock.now + timeLimit
    while true {
      do {
        return try await self.systemd.systemctl.stop(self.unit, timeLimit: timeLimit, onTurn: onTurn)
      } catch let error as SystemdError {
        switch error.reason {
        case .unitNotFound:
          // It has ended, and is gone.
          return
        case .frozen:
          try? await self.systemd.systemctl.thaw(self.unit)
        case .refused, .accessDenied, .command(.notExecutable), .command(.spawnFailed):
          // The kill would fail as well, or is not wanted.
          throw error
        default:
          self.logger.warning("Cannot stop the unit yet", metadata: ["error": "\(error)"])
        }
        onTurn()
        guard ContinuousClock.now < deadline else { throw error }
        if error.reason != .frozen { try await Task.sleep(for: Self.retryDelay) }
      }
    }
  }

  // MARK: Who starts it again

  /// Reports which units could start the unit again now that it is stopped, or have done so.
  private func reportStarters() async {
    let isStartedAgain = await self.task.isStartedAgain
    let names = await self.starters(includingUpholders: isStartedAgain)
    if isStartedAgain {
      await self.task.report(.startedAgain(unit: self.unit.name, names: names))
    } else if !names.isEmpty {
      await self.task.report(.triggers(unit: self.unit.name, names: names))
    }
  }

  /// The active units that start this one: its sockets, timers and paths.
  ///
  /// - Parameter includingUpholders: whether systemd is asked for those with `Upholds=` as well.
  private func starters(includingUpholders: Bool) async -> [String] {
    var names = await self.task.status?.triggeredBy ?? []
    if includingUpholders {
      let properties = try? await self.systemd.systemctl.properties(
        ["TriggeredBy", "UpheldBy"], of: self.unit)
      names = (properties ?? [:]).values.flatMap { $0.split(separator: " ").map(String.init) }
    }
    let units = Set(names.compactMap { try? UnitName($0) })
    guard !units.isEmpty, let listings = try? await self.systemd.systemctl.listUnits(Array(units)) else {
      return []
    }
    return listings.filter { $0.value.activeState == .active }.keys.map(\.name).sorted()
  }
}
