import NomadPlugin
import Systemd

/// What a task's unit does and what it means to Nomad: a pure function from what was known and what systemd says
/// now to what is known and what to do.
struct UnitLifecycle: Sendable, Hashable {
  enum Phase: Sendable, Hashable {
    /// The start job has not ended and the unit's program does not run yet.
    case starting
    case running
    case ended(ExitResult)
  }

  enum Effect: Sendable, Hashable {
    /// The start can be answered.
    case started
    /// The end can be answered.
    case ended(ExitResult)
    case report(TaskEventText)
  }

  private(set) var phase: Phase
  /// What systemd said last.
  private(set) var status: UnitStatus?

  /// The run before the one that a start was asked for.
  private let previousInvocationID: String?

  /// A unit that a start is asked for.
  ///
  /// - Parameter previousInvocationID: the run that is to be replaced, if there is one; it does not count as started.
  init(previousInvocationID: String? = nil) {
    self.phase = .starting
    self.previousInvocationID = previousInvocationID
  }

  private init(phase: Phase) {
    self.phase = phase
    self.previousInvocationID = nil
  }

  /// A unit that a start was asked for before, and that is not known to have ended.
  static let recovered = UnitLifecycle(phase: .running)

  private var invocationID: String?

  /// Takes what systemd says now.
  mutating func observe(_ status: UnitStatus) -> [Effect] {
    switch self.phase {
    case .ended:
      return []
    case .starting:
      // Inactive or failed now is what the unit was before the start.
      self.status = status
      if let previous = self.previousInvocationID, status.invocationID == previous { return [] }
      let programRuns = status.activeState == .activating && status.mainProcessID != nil
      guard status.activeState == .active || programRuns else { return [] }
      return self.run(status)
    case .running:
      return self.run(status)
    }
  }

  /// The start job has succeeded.
  mutating func startSucceeded() -> [Effect] {
    guard case .starting = self.phase else { return [] }
    self.phase = .running
    return [.started]
  }

  /// The unit is handed back as it is: to Nomad that is a good end.
  mutating func leave() -> [Effect] {
    if case .ended = self.phase { return [] }
    let result = ExitResult(exitCode: 0)
    self.phase = .ended(result)
    return [.ended(result)]
  }

  private mutating func run(_ status: UnitStatus) -> [Effect] {
    var effects: [Effect] = []
    if case .starting = self.phase { effects.append(.started) }
    self.phase = .running
    let before = self.status
    self.status = status
    if let invocationID = status.invocationID {
      if let known = self.invocationID, known != invocationID {
        let isRestartBySystemd = (status.restartCount ?? 0) > (before?.restartCount ?? 0)
        effects.append(
          .report(
            isRestartBySystemd
              ? .restarted(unit: status.id, count: status.restartCount ?? 0) : .replaced(unit: status.id)))
      }
      self.invocationID = invocationID
    }
    // With a job the unit is on its way to somewhere else: a restart goes through inactive.
    if status.jobID == nil, let result = ExitResult(status) {
      self.phase = .ended(result)
      effects.append(.ended(result))
    }
    return effects
  }
}
