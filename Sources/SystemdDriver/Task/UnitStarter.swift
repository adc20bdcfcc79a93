import NomadPlugin
import Systemd

/// Asks systemd to start or restart a unit, and finds out what came of it.
struct UnitStarter: Sendable {
  /// What came of a start.
  enum Outcome: Sendable {
    /// The start job is done.
    case succeeded
    /// systemd has passed over the start; the text says why.
    case skipped(String)
    /// systemctl failed. What systemd and the journal say of the unit now is nil if they do not answer, or were not
    /// asked.
    case failed(any Error, UnitStatus?, UnitHistory?)
    case cancelled
  }

  let unit: UnitName
  let plan: StartPlan
  let systemd: SystemdClient

  /// Runs the job.
  ///
  /// - Parameters:
  ///   - onTurn: is called when systemctl is about to run.
  ///   - isStarting: whether the unit has not been seen to run yet.
  func run(onTurn: @Sendable () async -> Void, isStarting: @Sendable () async -> Bool) async -> Outcome {
    do {
      if case .restart = self.plan.action {
        try await self.systemd.systemctl.restart(self.unit, onTurn: onTurn)
      } else {
        try await self.systemd.systemctl.start(self.unit, onTurn: onTurn)
      }
      if self.plan.mayBeSkipped, await isStarting(), let reason = try await self.skippedStart() {
        return .skipped(reason)
      }
      return .succeeded
    } catch is CancellationError {
      return .cancelled
    } catch {
      let status = try? await self.statusAfterFailure()
      var history: UnitHistory?
      if status?.isForgotten == true {
        // It may have run, and ended, before.
        history = try? await self.systemd.journalctl.history(of: self.unit, after: self.plan.logsBegin)
      }
      return Task.isCancelled ? .cancelled : .failed(error, status, history)
    }
  }

  /// Why systemd has passed over the start, if it has: a start job whose conditions are not met succeeds.
  ///
  /// - Throws: if the unit does not run and the journal does not answer: nobody knows then whether it did.
  private func skippedStart() async throws -> String? {
    guard let status = try? await self.systemd.show(self.unit), status.activeState == .inactive,
      let skippedStart = try await self.systemd.journalctl.history(of: self.unit, after: self.plan.logsBegin)
        .skippedStart
    else { return nil }
    try Task.checkCancellation()
    let (verb, effect) =
      self.plan.action == .restart ? ("restart", "did no more than stop it") : ("start", "did nothing")
    return
      "systemctl \(verb) \(self.unit) \(effect): \(skippedStart) `systemctl cat \(self.unit)` shows all conditions."
  }

  /// What becomes of the unit after its start job has failed: the job ends before the unit has stopped.
  private func statusAfterFailure() async throws -> UnitStatus {
    while true {
      let status = try await self.systemd.showPatiently(self.unit)
      guard status.activeState == .deactivating else { return status }
      try await Task.sleep(for: .milliseconds(100))
    }
  }

  /// The error of a start that has failed, with its cause as far as it is known.
  ///
  /// - Parameter isPreviousRun: whether what systemd says of the unit is about the run before the start.
  func error(
    _ error: any Error, _ status: UnitStatus?, _ history: UnitHistory?, isPreviousRun: Bool
  ) async -> DriverError {
    let systemdError = error as? SystemdError
    var cause: String?
    if systemdError?.reason == .jobFailed, isPreviousRun {
      // systemctl tells how the run before ended.
      cause =
        "(systemd refused to run it: it was started too often (StartLimitBurst=). "
        + "systemctl reset-failed \(self.unit) allows it again.)"
    } else if let status {
      cause = ExitResult(status, history: history)?.message.map { "(\($0))" }
    }
    let text = ["\(error)", cause, await self.failedRequirements(systemdError)]
      .compactMap(\.self).joined(separator: " ")
    return systemdError?.isTemporary == true ? .recoverable(text) : .unrecoverable(text)
  }

  /// Names the units whose failure has made the start fail.
  private func failedRequirements(_ error: SystemdError?) async -> String? {
    guard error?.reason == .dependencyFailed,
      let units = try? await self.systemd.systemctl.requirements(of: self.unit),
      let listings = try? await self.systemd.systemctl.listUnits(units)
    else { return nil }
    let failed = units.filter {
      listings[$0].map { $0.activeState == .failed || $0.loadState != .loaded } ?? true
    }
    return failed.isEmpty
      ? nil
      : "Of the units that it requires, these are not active: " + failed.map(\.name).joined(separator: ", ")
  }
}
