/// Why a command has no ``CommandResult``: it could not be started, or was killed for passing a limit.
///
/// A program that runs and exits with a status other than 0 is not such an error.
public enum CommandError: Error, Sendable, Hashable {
  /// At the command's path there is no program that may be executed; the reason says what was found there.
  case notExecutable(Command, reason: String)

  /// The program could not be started though it is there.
  case spawnFailed(Command, reason: String)

  /// The program did not end within ``Command/timeLimit`` and was killed.
  case timedOut(Command, standardError: String)

  /// The program wrote more than ``Command/outputLimit`` and was killed.
  case tooMuchOutput(Command)

  /// A replay has no answer to the command; the reason names the nearest recorded one.
  case notRecorded(Command, reason: String)

  /// The command that failed.
  public var command: Command {
    switch self {
    case .notExecutable(let command, _), .spawnFailed(let command, _), .timedOut(let command, _),
      .tooMuchOutput(let command), .notRecorded(let command, _):
      command
    }
  }
}

extension CommandError: CustomStringConvertible {
  /// What was attempted, and how it failed.
  public var description: String {
    switch self {
    case .notExecutable(let command, let reason):
      return "cannot execute \(command.executable): \(reason)"
    case .spawnFailed(let command, let reason):
      return "cannot start \(command): \(reason)"
    case .timedOut(let command, let standardError):
      let limit = command.timeLimit.map { "\($0)" } ?? "its time limit"
      let said = standardError.isEmpty ? "it said nothing" : "it said: \(standardError)"
      return "\(command) did not end within \(limit) and was killed; \(said)"
    case .tooMuchOutput(let command):
      return "\(command) wrote more than \(command.outputLimit) bytes and was killed"
    case .notRecorded(let command, let reason):
      return "cannot replay \(command): \(reason)"
    }
  }
}
