import Logging
import NomadPlugin
import Systemd

/// Sends the signals that Nomad asks for to a task's unit.
struct UnitSignaller: Sendable {
  let task: UnitTask
  let systemd: SystemdClient
  let logger: Logger

  /// Sends a signal to the processes that the job's `signal_to` names.
  ///
  /// - Throws: `DriverError`: unrecoverable if there is no such signal or the unit has ended, recoverable if it has no
  ///   such process.
  func send(_ signal: String) async throws {
    try self.checkRunning()
    let whom = self.task.options.signalTo
    do {
      try await self.systemd.systemctl.kill(self.task.unit, signal: signal, whom: whom)
    } catch let error as SystemdError {
      try self.checkRunning()
      guard error.isTemporary else { throw DriverError.unrecoverable("\(error)") }
      let hint =
        error.reason == .noProcess
        ? " The signal was for the task's signal_to = \"\(whom.rawValue)\"; it can be \"main\", \"control\" or \"all\"."
        : ""
      throw DriverError.recoverable("\(error)\(hint)")
    }
    self.logger.info("Sent a signal", metadata: ["signal": "\(signal)", "to": "\(whom.rawValue)"])
  }

  private func checkRunning() throws {
    guard self.task.isRunning else {
      throw DriverError.unrecoverable(
        "The signal was not sent: the task has ended, and \(self.task.unit) with it.")
    }
  }
}
