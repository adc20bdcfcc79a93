import AsyncPrimitives
import NomadPlugin
import Systemd

extension UnitTask {
  /// When to poll a unit while its start is under way, each after the one before: soon for those that are quick, and
  /// when a service has had its time to become ready.
  private static let startPollDelays: [Duration] = [
    .milliseconds(50), .milliseconds(200), .milliseconds(750),
    UnitLifecycle.readinessPatience - .milliseconds(900),
  ]

  /// From now on the unit is watched. One whose start waits for its turn is not: systemd would read its file anew each
  /// time that it is asked about it.
  func beginWatching() {
    self.startIssuedAt = .now
    self.watch = self.watcher.watch(self.unit) { [weak self] in await self?.observe($0) }
    self.milestones.startIssued.fulfil(())
  }

  func start(_ starter: UnitStarter) async {
    if case .adopt = starter.plan.action {
      self.beginWatching()
      self.apply(self.lifecycle.startSucceeded())
      self.watcher.hint(self.unit)
      return
    }
    switch await self.outcome(of: starter) {
    case .succeeded:
      self.startDoneAt = .now
      self.apply(self.lifecycle.startSucceeded())
      self.watcher.hint(self.unit)
    case .skipped(let reason):
      self.milestones.startAnswered.fulfil(.failure(DriverError.recoverable(reason)))
    case .cancelled:
      self.milestones.startAnswered.fulfil(.failure(CancellationError()))
    case .failed(let error, let evidence):
      let isPreviousRun = evidence.status.map { self.lifecycle.isPreviousRun($0) } ?? false
      let effects = evidence.status.flatMap {
        self.lifecycle.startFailed(
          $0, history: evidence.history, commands: evidence.commands,
          isJobFailure: (error as? SystemdError)?.isJobFailure == true)
      }
      guard let effects else {
        self.milestones.startAnswered.fulfil(
          .failure(await starter.error(error, evidence, isPreviousRun: isPreviousRun)))
        return
      }
      self.apply(effects)
      // Answered already: what became of the unit is what Nomad is to hear.
      self.watcher.hint(self.unit)
    }
  }

  /// Runs the start job. It can take as long as the unit's program: the unit is polled meanwhile, and the start answered
  /// when the program runs.
  private func outcome(of starter: UnitStarter) async -> UnitStarter.Outcome {
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        guard (try? await self.milestones.startIssued.value) != nil else { return }
        for delay in Self.startPollDelays {
          guard (try? await Task.sleep(for: delay)) != nil else { return }
          self.watcher.hint(self.unit)
        }
      }
      defer { group.cancelAll() }
      return await starter.run(
        onTurn: { await self.beginWatching() }, isStarting: { await self.lifecycle.phase == .starting })
    }
  }

  /// Waits until the start can be answered.
  ///
  /// - Throws: why it failed.
  nonisolated func waitForStart() async throws { try await self.milestones.startAnswered.value.get() }
}
