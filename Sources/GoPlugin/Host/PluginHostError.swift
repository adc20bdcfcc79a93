/// Why a plugin cannot be used, or no longer.
public struct PluginHostError: Error, Equatable, CustomStringConvertible {
  /// What went wrong.
  public enum Code: Sendable, Equatable {
    /// The program cannot be started.
    case notStarted
    /// It ended before it was ready.
    case endedEarly
    /// It did not print a protocol line in time, or closed its standard output without one.
    case noProtocolLine
    /// What it printed first is not a protocol line that this host can use.
    case badProtocolLine
    /// It does not answer, or not that it is well.
    case unhealthy
    /// It ended while it was being used.
    case ended
  }

  /// What went wrong.
  public var code: Code
  /// The plugin's program.
  public var path: String
  /// What went wrong in words.
  public var reason: String
  /// What the plugin has printed: the first lines and the last lines of standard error. May be empty.
  public var output: String

  /// What was attempted, what happened, and what the plugin printed.
  public var description: String {
    let output = self.output.isEmpty ? " It printed nothing." : " It printed:\n\(self.output)"
    return "Plugin '\(self.path)': \(self.reason).\(self.code == .notStarted ? "" : output)"
  }
}
