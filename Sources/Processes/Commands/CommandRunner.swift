/// Runs commands.
///
/// ``ProcessCommandRunner`` starts processes; other runners may record what passes or replay what was
/// recorded.
public protocol CommandRunner: Sendable {
  /// Runs a command to its end.
  ///
  /// - Parameters:
  ///   - command: what to run, within which limits.
  ///   - onOutput: is called with standard output in chunks as it comes, in order. While it is suspended
  ///     nothing is read and the program waits. If it throws, the program is killed and the error is thrown
  ///     on.
  /// - Returns: the result of a program that ended by itself, whatever its exit status.
  /// - Throws: ``CommandError``, the error of `onOutput`, or `CancellationError` if the calling task was
  ///   cancelled before the program ended. When the call returns or throws, the program is gone.
  func run(_ command: Command, onOutput: ([UInt8]) async throws -> Void) async throws -> CommandResult
}

extension CommandRunner {
  /// Runs a command to its end and collects its standard output.
  ///
  /// - Throws: ``CommandError/tooMuchOutput(_:)`` if there is more of it than ``Command/outputLimit``, and
  ///   what ``run(_:onOutput:)`` throws.
  public func run(_ command: Command) async throws -> CommandOutput {
    var output: [UInt8] = []
    let result = try await self.run(command) { chunk in
      guard chunk.count <= command.outputLimit - output.count else {
        throw CommandError.tooMuchOutput(command)
      }
      output += chunk
    }
    return CommandOutput(standardOutput: output, result: result)
  }
}
