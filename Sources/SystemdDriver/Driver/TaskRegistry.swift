import NomadPlugin
import Synchronization

/// The tasks that Nomad has started and not destroyed, by their identifiers, and what happens to them.
final class TaskRegistry: Sendable {
  /// The events of all tasks.
  let events = TaskEventHub()
  private let tasks = Mutex<[String: UnitTask]>([:])

  /// Whether there is a task of this identifier.
  func contains(_ id: String) -> Bool { self.tasks.withLock { $0[id] != nil } }

  /// The task of an identifier.
  ///
  /// - Throws: `DriverError.taskNotFound`.
  func task(_ id: String) throws -> UnitTask {
    guard let task = self.tasks.withLock({ $0[id] }) else { throw DriverError.taskNotFound }
    return task
  }

  /// Adds a task; false if there is one of its identifier already.
  ///
  /// - Throws: `DriverError` (recoverable) if its unit is another task's.
  func add(_ task: UnitTask) throws -> Bool {
    try self.tasks.withLock { tasks in
      guard tasks[task.config.id] == nil else { return false }
      // One that is known to have ended can be recovered when its unit is the next one's.
      if task.isRunning, let other = tasks.values.first(where: { $0.unit == task.unit && $0.isRunning }) {
        throw DriverError.recoverable(
          "The unit \(task.unit) is the task '\(other.config.name)' of the allocation "
            + "\(other.config.allocationID) already. It can be started here when that one has ended.")
      }
      tasks[task.config.id] = task
      return true
    }
  }

  /// Whether there is no task.
  var isEmpty: Bool { self.tasks.withLock { $0.isEmpty } }

  /// Ends all that runs for a task, and forgets it and its events. The unit stays as it is.
  func remove(_ task: UnitTask) async {
    await task.remove()
    self.forget(task)
  }

  /// Forgets a task that another process of the plugin has taken, and its events.
  func letGo(_ task: UnitTask) async {
    await task.letGo()
    self.forget(task)
  }

  private func forget(_ task: UnitTask) {
    self.tasks.withLock { tasks in
      // Another one can have its identifier by now.
      if tasks[task.config.id] === task { tasks[task.config.id] = nil }
    }
    self.events.forget(task.config.id)
  }
}
