import Systemd

/// Finds out whether systemd has passed over a start whose job is done: the job of a unit whose conditions
/// (`ConditionPathExists=` …, `ExecCondition=`) are not met succeeds without running anything.
///
/// systemd says so in the journal, unless it was told to say less (`LogLevelMax=`, `LogLevel=`), and in the unit's properties,
/// unless it has unloaded the unit at once.
struct SkippedStart {
  private let plan: StartPlan
  private let unit: UnitName
  private let systemd: SystemdClient

  init(_ plan: StartPlan, of unit: UnitName, _ systemd: SystemdClient) {
    self.plan = plan
    self.unit = unit
    self.systemd = systemd
  }

  /// Why the start was passed over; nil if it was not.
  ///
  /// - Throws: if the unit does not run and the journal does not answer: nobody knows then whether it did.
  func reason() async throws -> String? {
    guard let status = try? await self.systemd.show(self.unit), status.activeState.isDown else { return nil }
    // One that has run is another run than the one before.
    let isPreviousRun = self.plan.lifecycle.isPreviousRun(status)
    guard isPreviousRun || self.plan.mayBeSkipped else { return nil }
    let history = try await self.systemd.history(of: self.unit, after: self.plan.logsBegin)
    try Task.checkCancellation()
    if let message = history.skippedStart { return self.text(message) }
    if isPreviousRun {
      let unmet = try? await self.systemd.analyze.conditions(of: self.unit)?.text
      return self.text(unmet ?? "systemd has not run it, and does not say why.")
    }
    return !history.runs.contains(where: \.hasRun) ? try await self.reasonOfSilentUnit(status) : nil
  }

  /// Why the start of a unit was passed over of which the journal tells nothing.
  private func reasonOfSilentUnit(_ status: UnitStatus) async throws -> String? {
    if status.result == "exec-condition" { return self.text("Its ExecCondition= was not met.") }
    if status.mainProcessExit != nil { return nil }
    let conditions = try await self.systemd.systemctl.conditions(of: self.unit)
    if let areMet = conditions.areMet, !areMet || !conditions.hasCommands {
      return areMet ? nil : self.text("Its conditions are not met.")
    }
    // It need not be installed, nor be in an old recording.
    if let now = try? await self.systemd.analyze.conditions(of: self.unit) {
      if !now.areMet { return self.text(now.text) }
      guard conditions.hasCommands else { return nil }
    }
    try Task.checkCancellation()
    guard try await !self.hasPrinted() else { return nil }
    return self.text("It has conditions, is inactive, and nothing tells that it has run.")
  }

  /// Whether the unit has printed anything since the start.
  private func hasPrinted() async throws -> Bool {
    struct Found: Error {}
    do {
      try await self.systemd.journalctl.read([self.unit], after: self.plan.logsBegin, .lifecycle) { entries in
        if entries.contains(where: { $0.unit == self.unit.name }) { throw Found() }
      }
    } catch is Found {
      return true
    }
    return false
  }

  private func text(_ reason: String) -> String {
    let (verb, effect) =
      self.plan.action == .restart ? ("restart", "did no more than stop it") : ("start", "did nothing")
    return
      "systemctl \(verb) \(self.unit) \(effect): \(reason) `systemctl cat \(self.unit)` shows all conditions."
  }
}
