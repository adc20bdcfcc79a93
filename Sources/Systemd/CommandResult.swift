/// How a program ended.
public enum Termination: Sendable, Hashable {
  /// It exited with this status, 0…255.
  case exited(Int32)

  /// It was killed by this signal.
  case signaled(Int32)

  /// Whether it exited with status 0.
  public var isSuccess: Bool { self == .exited(0) }
}

extension Termination: CustomStringConvertible {
  /// For example "exit status 5" or "killed by signal 9".
  public var description: String {
    switch self {
    case .exited(let status): "exit status \(status)"
    case .signaled(let signal): "killed by signal \(signal)"
    }
  }
}

/// What is known of a program that has ended.
public struct CommandResult: Sendable, Hashable {
  /// How it ended.
  public var termination: Termination

  /// The last bytes of its standard error, at most ``standardErrorLimit``.
  public var standardError: [UInt8]

  /// From just before its start until it was reaped.
  public var duration: Duration

  /// How many bytes of standard error are kept. The end is kept as it tells why a long-lived program ended.
  public static let standardErrorLimit = 64 << 10

  /// Describes the end of a program.
  public init(termination: Termination, standardError: [UInt8], duration: Duration) {
    self.termination = termination
    self.standardError = standardError
    self.duration = duration
  }
}

/// The result of a program together with all of its standard output.
public struct CommandOutput: Sendable, Hashable {
  /// All of the standard output.
  public var standardOutput: [UInt8]

  /// How the program ended.
  public var result: CommandResult

  /// Describes the end of a program whose output was collected.
  public init(standardOutput: [UInt8], result: CommandResult) {
    self.standardOutput = standardOutput
    self.result = result
  }
}
