/// A transcript that cannot be written or read.
public struct TranscriptError: Error, Sendable, Hashable {
  /// What is wrong, and what to do.
  public let description: String

  init(_ description: String) { self.description = description }
}

extension TranscriptError: CustomStringConvertible {}
