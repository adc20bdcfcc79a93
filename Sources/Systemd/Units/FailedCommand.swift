/// A process of a service that failed, by the setting that systemd ran it for.
public struct FailedCommand: Sendable, Hashable {
  /// The setting: `ExecStart` for the main process, `ExecStartPre`, `ExecStopPost` …
  public let directive: String

  /// How it ended.
  public let exit: MainProcessExit

  /// Describes a process.
  public init(directive: String, exit: MainProcessExit) {
    self.directive = directive
    self.exit = exit
  }
}
