/// How a command to ``FakeSystemd`` fails.
package enum FakeFailure: Sendable {
  /// It ends with an exit status, and says something.
  case exit(Int32, String)
  /// There is no such program.
  case notExecutable
  /// It does not end within its time limit.
  case timedOut

  /// PID 1 is executing itself anew, or D-Bus does not run.
  package static let unreachable = Self.exit(1, "Failed to connect to bus: No such file or directory")

  /// The caller may not do that.
  package static let accessDenied = Self.exit(4, "Access denied")
}
