import Processes

/// A line that is not an entry of the journal as `journalctl -o json` prints it.
public struct JournalEntryError: Error, Sendable, Hashable {
  /// The beginning of the line.
  public let lineStart: String

  /// What is wrong with it.
  public let problem: String

  init(line: ArraySlice<UInt8>, problem: String) {
    self.lineStart = DisplayText(line.prefix(100)).text
    self.problem = problem
  }
}

extension JournalEntryError: CustomStringConvertible {
  /// What is wrong, and the beginning of the line.
  public var description: String { "not a journal entry in JSON: \(self.problem): \(self.lineStart)" }
}
