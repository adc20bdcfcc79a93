import Logging
import Systemd

/// Asks the journal how a unit ended of which systemd does not tell all.
struct UnitHistoryReader: Sendable {
  let unit: UnitName
  /// Where the task's part of the journal begins.
  let position: JournalPosition
  let systemd: SystemdClient
  let logger: Logger

  /// The pauses before the journal is asked again.
  private static let pauses: [Duration] = [.seconds(1), .seconds(5)]

  /// What the journal says of the unit; nil if the task was cancelled.
  func read() async -> UnitHistory? {
    do {
      // A journald that has much to do, or starts anew, is given time.
      return try await SystemdError.retrying(after: Self.pauses, if: { !$0.isNotRecorded }) {
        try await self.systemd.history(of: self.unit, after: self.position)
      }
    } catch is CancellationError {
      return nil
    } catch {
      self.logger.warning("Cannot read from the journal how the unit ended", metadata: ["error": "\(error)"])
      // What was written before is still there.
      let entries = try? await self.systemd.journalctl.managerEntries(about: [self.unit])[self.unit]
      return UnitHistory((entries ?? []).filter { self.position.precedes($0) })
    }
  }
}
