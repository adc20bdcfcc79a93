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
    /// systemctl failed.
    case failed(any Error, StartEvidence)
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
      if await isStarting(),
        let reason = try await SkippedStart(self.plan, of: self.unit, self.systemd).reason()
      {
        return .skipped(reason)
      }
      return .succeeded
    } catch is CancellationError {
      return .cancelled
    } catch {
      let evidence = await self.evidenceAfterFailure()
      return Task.isCancelled ? .cancelled : .failed(error, evidence)
    }
  }

  private func evidenceAfterFailure() async -> StartEvidence {
    var evidence = StartEvidence(status: try? await self.statusAfterFailure())
    guard let status = evidence.status else { return evidence }
    if !status.isForgotten, status.activeState == .failed, status.serviceType != nil {
      evidence.commands = try? await self.systemd.systemctl.commands(of: self.unit)
    }
    // It may have run, and ended, before. And a daemon-reload has systemd forget how commands ended.
    if status.isForgotten || evidence.lacksFailedCommand {
      evidence.history = try? await self.systemd.history(of: self.unit, after: self.plan.logsBegin)
    }
    return evidence
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
  func error(_ error: any Error, _ evidence: StartEvidence, isPreviousRun: Bool) async -> DriverError {
    let systemdError = error as? SystemdError
    var cause: String?
    if systemdError?.reason == .jobFailed, isPreviousRun {
      // systemctl tells how the run before ended.
      cause =
        "(systemd refused to run it: it was started too often (StartLimitBurst=). "
        + "systemctl reset-failed \(self.unit) allows it again.)"
    } else if let status = evidence.status, let end = evidence.end {
      cause = ExitResult(status.id, end).message.map { "(\($0))" }
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
