import Foundation
import NomadPlugin
import Synchronization

/// Hands task events to all who listen: first what happened to the tasks that there are, then what happens. A slow
/// listener loses the oldest events rather than holding tasks back.
final class TaskEventHub: Sendable {
  /// How many events wait for a listener, at most.
  static let bufferSize = 1024
  /// How many events of a task are kept for those who come later.
  static let keptEvents = 16

  private struct State {
    var listeners: [UUID: AsyncStream<TaskEvent>.Continuation] = [:]
    /// By task.
    var kept: [String: [TaskEvent]] = [:]
    var hasEnded = false
  }

  private let state = Mutex(State())

  func report(_ text: TaskEventText, of task: TaskConfig, annotations: [String: String] = [:]) {
    let event = TaskEvent(
      taskID: task.id, taskName: task.name, allocationID: task.allocationID, timestamp: Date(),
      message: text.message, annotations: annotations)
    self.state.withLock { state in
      state.kept[task.id] = (state.kept[task.id, default: []] + [event]).suffix(Self.keptEvents)
      for listener in state.listeners.values { listener.yield(event) }
    }
  }

  /// Forgets what happened to a task.
  func forget(_ taskID: String) { self.state.withLock { _ = $0.kept.removeValue(forKey: taskID) } }

  /// Ends all listeners' events after those that wait for them, and those of who listens later after what is kept.
  func end() {
    let listeners = self.state.withLock { state in
      state.hasEnded = true
      return state.listeners.values.map { $0 }
    }
    // Without the lock, which a listener takes to leave.
    for listener in listeners { listener.finish() }
  }

  /// The events, until the reader leaves or ``end()``.
  func events() -> AsyncStream<TaskEvent> {
    let id = UUID()
    // What is kept has room of its own: it comes at once, before anybody reads.
    let keptCount = self.state.withLock { $0.kept.values.reduce(0) { $0 + $1.count } }
    return AsyncStream(bufferingPolicy: .bufferingNewest(keptCount + Self.bufferSize)) { continuation in
      continuation.onTermination = { [weak self] _ in
        self?.state.withLock { _ = $0.listeners.removeValue(forKey: id) }
      }
      let hasEnded = self.state.withLock { state in
        for event in state.kept.values.joined().sorted(by: { $0.timestamp < $1.timestamp }) {
          continuation.yield(event)
        }
        state.listeners[id] = continuation
        return state.hasEnded
      }
      if hasEnded { continuation.finish() }
    }
  }
}
