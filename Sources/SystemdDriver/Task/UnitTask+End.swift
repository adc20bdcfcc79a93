import AsyncPrimitives
import Logging
import NomadPlugin
import Systemd

extension UnitTask {
  /// How often the state of the whole system is asked for while it goes down.
  private static let shutdownPollInterval: Duration = .seconds(1)

  /// Finds out how the unit has ended, unless that is known. Ends early if the task is removed.
  func conclude() async {
    guard self.milestones.unitEnded.current == nil else { return }
    await withTaskGroup(of: Void.self) { group in
      group.addTask { _ = try? await self.milestones.removed.value }
      group.addTask { await self.gatherEvidence() }
      await group.next()
      group.cancelAll()
    }
  }

  private func gatherEvidence() async {
    var history = self.known(self.history)
    if self.lifecycle.needsHistory(history) {
      let reader = UnitHistoryReader(
        unit: self.unit, position: self.logsBegin, systemd: self.systemd, logger: self.logger)
      guard let read = await reader.read() else { return }
      history = self.known(read)
    }
    var commands: ServiceCommands?
    if self.lifecycle.needsCommands(history) {
      commands = try? await self.systemd.systemctl.commands(of: self.unit)
    }
    if self.lifecycle.mayBeStoppedByShutdown(history) {
      guard (try? await self.waitWhileTheSystemGoesDown()) != nil else { return }
    }
    guard !Task.isCancelled else { return }
    self.apply(self.lifecycle.conclude(history, commands))
  }

  /// What the journal has said when systemd told that the unit is down: a run that somebody else has begun since is not the
  /// task's.
  private func known(_ history: UnitHistory) -> UnitHistory {
    guard self.systemd.location.isLocal else { return history }
    let latest = history.known(at: self.answeredAt)
    // systemd has answered at some time after it was asked.
    return latest.end(since: self.lifecycle.invocationID) == nil ? history.known(at: self.observedAt) : latest
  }

  /// Waits as long as the whole system goes down: what is stopped then has not come to its own end.
  ///
  /// - Throws: `CancellationError`.
  private func waitWhileTheSystemGoesDown() async throws {
    var isReported = false
    while try await self.isSystemStopping() {
      if !isReported { self.report(.heldBack(unit: self.unit.name)) }
      isReported = true
      try await Task.sleep(for: Self.shutdownPollInterval)
    }
  }

  /// - Throws: `CancellationError`.
  private func isSystemStopping() async throws -> Bool {
    do {
      return try await SystemdError.retrying(
        after: .init(repeating: Self.shutdownPollInterval, count: 30), if: { !$0.isNotRecorded }
      ) { [systemd] in try await systemd.isStopping() }
    } catch let error as SystemdError {
      self.logger.warning("Cannot tell whether the machine goes down", metadata: ["error": "\(error)"])
      return false
    }
  }
}
