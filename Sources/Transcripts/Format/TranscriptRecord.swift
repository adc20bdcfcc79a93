public import Processes

/// One line of a transcript.
///
/// All times are microseconds since the recording began, by a clock that only goes forward.
public enum TranscriptRecord: Sendable, Hashable {
  /// The first line of a file.
  case header(TranscriptHeader)
  /// A command is about to be run.
  ///
  /// - Parameter isContinued: whether it was started in an earlier file of the recording.
  case start(id: UInt64, at: UInt64, Command, isContinued: Bool = false)
  /// A command has written this to its standard output.
  case output(id: UInt64, at: UInt64, [UInt8])
  /// A command has ended, or could not be started.
  case end(id: UInt64, at: UInt64, TranscriptOutcome)
}
