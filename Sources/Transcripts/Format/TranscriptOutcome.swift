public import Processes

/// How a command ended, apart from its standard output.
public enum TranscriptOutcome: Sendable, Hashable {
  /// It ended by itself.
  case ended(CommandResult)
  /// It could not be started, or was killed for passing a limit.
  case failed(CommandError)
  /// It was killed because its caller was cancelled.
  case cancelled
  /// It was killed because its caller refused the output; the text says why.
  case refused(String)
}
