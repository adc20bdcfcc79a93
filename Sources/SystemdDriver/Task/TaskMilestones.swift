import AsyncPrimitives
import NomadPlugin

/// What happens once in the life of a task, for those who wait for it.
struct TaskMilestones: Sendable {
  /// systemd is being asked to start the unit, or was before: there is something to observe.
  let startIssued = Promise<Void>()
  /// The start can be answered, with why it failed if it did.
  let startAnswered = Promise<Result<Void, any Error>>()
  /// systemd has told about the unit since it was started or recovered.
  let firstObserved = Promise<Void>()
  /// The unit has ended.
  let unitDown = Promise<Void>()
  /// It is known how the unit has ended.
  let unitEnded = Promise<ExitResult>()
  /// The unit has ended and its lines are delivered; or the task is removed, and nobody will know.
  let exitDelivered = Promise<Result<ExitResult, any Error>>()
  /// The task is to be forgotten.
  let removed = Promise<Void>()
  /// Nothing of the task runs any more.
  let finished = Promise<Void>()

  /// Waits until the unit has ended or the task is removed, which a start that failed does as well.
  ///
  /// - Returns: false if the waiting task was cancelled first.
  func hasEnded() async -> Bool {
    await withTaskGroup(of: Bool.self) { group in
      group.addTask { (try? await self.unitDown.value) != nil }
      group.addTask { (try? await self.removed.value) != nil }
      defer { group.cancelAll() }
      return await group.next() ?? false
    }
  }

  /// Waits as ``hasEnded()``, but not longer than until `deadline`; false then.
  func hasEnded(by deadline: ContinuousClock.Instant) async -> Bool {
    (try? await withDeadline(deadline) { await self.hasEnded() }) ?? false
  }
}
