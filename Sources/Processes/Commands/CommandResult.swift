/// The result of a program that has ended.
public struct CommandResult: Sendable, Hashable {
  /// How it ended.
  public var termination: Termination

  /// The last bytes of its standard error, at most ``standardErrorLimit``.
  public var standardError: [UInt8]

  /// The time from just before its start until it was reaped.
  public var duration: Duration

  /// How many bytes of standard error are kept: the end, which tells why a long-lived program has ended.
  public static let standardErrorLimit = 64 << 10

  /// Describes the end of a program.
  public init(termination: Termination, standardError: [UInt8], duration: Duration) {
    self.termination = termination
    self.standardError = standardError
    self.duration = duration
  }
}
