/// Something that a plugin has printed after the protocol line.
public enum PluginOutput: Sendable, Equatable {
  /// A line of its log, from standard error.
  case log(HCLogEntry)
  /// A line on standard error that is not of the log.
  case standardError(String)
  /// A line on standard output, or a piece of text sent by `GRPCStdio`.
  case standardOutput(String)
}
