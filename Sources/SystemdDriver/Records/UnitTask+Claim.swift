import Logging
import AsyncPrimitives
import NomadPlugin

extension UnitTask {
  /// Does all that the task needs, until it is removed or cancelled, or another process of the plugin has taken it.
  nonisolated func live(in registry: TaskRegistry) async {
    try? await self.claim.perform { await self.run() }
    guard self.claim.isTaken else {
      // The plugin ends, and the task does not.
      if self.milestones.removed.current == nil { self.claim.release(isOver: false) }
      return
    }
    self.logger.warning(
      "Another process of the plugin has taken the task over: this one does nothing more for it.")
    await registry.letGo(self)
  }

  /// Delivers the rest of the logs of a unit that has ended, and ends them.
  ///
  /// - Throws: `CancellationError`: the logs are left for the next process of the plugin.
  func finishLogs() async throws {
    guard self.record.areLogsDelivered else {
      return try await self.journal.finish { await self.take($0) }
    }
    // What the unit's journal has by now is of another run.
    await self.journal.logs?.end()
  }

  /// Ends what waits for a task that another process of the plugin has taken. The unit and the logs are that one's.
  nonisolated func letGo() async {
    self.milestones.removed.fulfil(())
    self.milestones.finished.fulfil(())
    self.milestones.exitDelivered.fulfil(.failure(DriverError.taskNotFound))
    await self.journal.logs?.letGo()
  }
}
