package import NomadPlugin
import Synchronization

/// Task events as they come.
package final class TaskEvents: Sendable {
  private let events = Mutex<[TaskEvent]>([])

  package init() {}

  package func append(_ event: TaskEvent) { self.events.withLock { $0.append(event) } }

  package var all: [TaskEvent] { self.events.withLock { $0 } }

  /// Waits for an event whose text contains a text.
  @discardableResult
  package func event(with text: String) async throws -> TaskEvent {
    do {
      try await eventually("an event with '\(text)'") { self.all.contains { $0.message.contains(text) } }
    } catch let error as NeverHeld {
      throw NeverHeld(what: "\(error.what) among \(self.all.map(\.message))")
    }
    return self.all.first { $0.message.contains(text) } ?? self.all[0]
  }
}
