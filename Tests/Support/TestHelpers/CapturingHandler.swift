package import Logging

/// Hands on each line that is logged: its level, its message, and its metadata in the order of their names.
package struct CapturingHandler: LogHandler {
  package var metadata: Logger.Metadata = [:]
  package var logLevel = Logger.Level.debug
  private let onLine: @Sendable (String) -> Void

  /// Calls `onLine` for each line.
  package init(_ onLine: @escaping @Sendable (String) -> Void) { self.onLine = onLine }

  package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { self.metadata[key] }
    set { self.metadata[key] = newValue }
  }

  package func log(event: LogEvent) {
    let pairs = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    self.onLine("\(event.level) \(event.message) \(pairs.joined(separator: " "))")
  }
}
