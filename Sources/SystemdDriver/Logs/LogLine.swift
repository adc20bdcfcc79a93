import Systemd

/// The line that an entry of the journal is in a task's logs.
///
/// The same entry always gives the same bytes: a checkpoint counts how many of them have been delivered.
struct LogLine: Sendable, Hashable {
  /// Whether it goes to the task's standard error.
  var isError: Bool
  /// The line with its line feed. A message may itself have line feeds.
  var bytes: [UInt8]

  /// The driver's own word, in the place of what was logged at a time.
  init(_ notice: LogNotice, at time: RealtimeTimestamp, _ configuration: LogConfiguration) {
    self.bytes = notice.line(at: time, configuration.format)
    self.isError = LogNotice.priority <= configuration.stderrPriority.number
  }

  /// nil if the entry is not in the logs.
  init?(_ entry: JournalEntry, _ configuration: LogConfiguration) {
    if let size = entry.omittedSize {
      self = LogLine(.tooLarge(cursor: entry.cursor, size: size), at: entry.realtime, configuration)
      return
    }
    guard configuration.lifecycle || !entry.isAboutUnit else { return nil }
    var bytes: [UInt8] = []
    switch configuration.format {
    case .json:
      bytes = entry.json ?? []
    case .message, .short:
      guard entry.hasMessage else { return nil }
      if configuration.format == .short { bytes += "\(entry.realtime) ".utf8 }
      // As journalctl does, it says who speaks about the unit.
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
