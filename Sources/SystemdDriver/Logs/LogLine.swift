import Systemd

/// What an entry of the journal is in a task's logs.
///
/// The same entry always gives the same bytes: where a line was cut off is remembered by their number.
struct LogLine: Sendable, Hashable {
  /// Whether it goes to the task's standard error.
  let isError: Bool
  /// The line with its line feed. A message may itself have line feeds.
  let bytes: [UInt8]

  /// - Returns: nil for an entry that is not in the logs.
  init?(_ entry: JournalEntry, _ configuration: LogConfiguration) {
    guard configuration.lifecycle || !entry.isAboutUnit else { return nil }
    var bytes: [UInt8] = []
    switch configuration.format {
    case .json:
      bytes = entry.json ?? []
    case .message, .short:
      guard entry.hasMessage else { return nil }
      if configuration.format == .short { bytes += "\(entry.realtime) ".utf8 }
      // What others say about the unit is marked by who says it, as journalctl does.
      if configuration.format == .short || entry.isAboutUnit {
        let process = entry.processID.map { "[\($0)]" } ?? ""
        bytes += "\(entry.identifier ?? "unknown")\(process): ".utf8
      }
      bytes += entry.message
    }
    bytes.append(UInt8(ascii: "\n"))
    self.bytes = bytes
    self.isError = Int(entry.priority ?? 6) <= configuration.stderrPriority.number
  }
}
