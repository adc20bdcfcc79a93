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

  /// The events, until the reader leaves.
  func events() -> AsyncStream<TaskEvent> {
    let id = UUID()
    return AsyncStream(bufferingPolicy: .bufferingNewest(Self.bufferSize)) { continuation in
      continuation.onTermination = { [weak self] _ in
        self?.state.withLock { _ = $0.listeners.removeValue(forKey: id) }
      }
      self.state.withLock { state in
        for event in state.kept.values.joined().sorted(by: { $0.timestamp < $1.timestamp }) {
          continuation.yield(event)
        }
        state.listeners[id] = continuation
      }
    }
  }
}
