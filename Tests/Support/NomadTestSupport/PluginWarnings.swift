import Logging
import GoPlugin
import Synchronization
import TestHelpers

/// What a plugin has warned of in its log, with the errors.
package final class PluginWarnings: Sendable {
  private let entries = Mutex<[String]>([])

  func append(_ output: PluginOutput) {
    guard case .log(let entry) = output, entry.level >= .warning else { return }
    self.entries.withLock { $0.append("\(entry.message) \(entry.metadata)") }
  }

  package var all: [String] { self.entries.withLock { $0 } }

  /// Waits for one that contains a text.
  package func warning(with text: String) async throws {
    try await eventually("a warning with '\(text)'") { self.all.contains { $0.contains(text) } }
  }
}
