package import Processes

/// One of systemd's programs, and how it is run. ``Systemctl`` and ``Journalctl`` share it.
package struct SystemdTool: Sendable {
  let runner: any CommandRunner

  /// The program's name, for errors.
  let name: String

  /// The program and what comes before it: `["/usr/bin/systemctl"]`, or
  /// `["/usr/bin/ssh", "host", "systemctl"]`.
  private let words: [String]

  /// Whether the words before the program reach another system, by a program that may need this process's environment.
  private let hasPrefix: Bool

  /// Describes a program by its name and path, with the words that come before it.
  package init(runner: any CommandRunner, name: String, path: String, commandPrefix: [String]) {
    self.runner = runner
    self.name = name
    self.words = commandPrefix + [path]
    self.hasPrefix = !commandPrefix.isEmpty
  }

  func command(_ arguments: [String], timeLimit: Duration?, isOptional: Bool = false) -> Command {
    var command = Command(
      executable: Executable.find(self.words[0]), arguments: self.words.dropFirst() + arguments,
      timeLimit: timeLimit, inheritsEnvironment: self.hasPrefix)
    command.isOptional = isOptional
    return command
  }

  /// Runs the program and collects its output, whatever its exit status.
  ///
  /// - Throws: ``SystemdError`` or `CancellationError`.
  package func run(
    _ verb: String, _ units: [UnitName], _ arguments: [String], timeLimit: Duration?, isOptional: Bool = false
  ) async throws -> CommandOutput {
    do {
      return try await self.runner.run(
        self.command(arguments, timeLimit: timeLimit, isOptional: isOptional))
    } catch let error as CommandError {
      throw self.error(.command(error), verb, units)
    }
  }

  /// Runs the program and collects its output.
  ///
  /// - Throws: ``SystemdError``, also for an exit status other than 0, or `CancellationError`.
  package func output(
    _ verb: String, _ units: [UnitName], _ arguments: [String], timeLimit: Duration?
  ) async throws -> [UInt8] {
    let output = try await self.run(verb, units, arguments, timeLimit: timeLimit)
    guard output.result.termination.isSuccess else { throw self.error(output.result, verb, units) }
    return output.standardOutput
  }

  func error(_ reason: SystemdError.Reason, _ verb: String, _ units: [UnitName] = []) -> SystemdError {
    SystemdError(reason, action: "\(self.name) \(verb)", units: units)
  }

  /// The error of a command that ended with an exit status other than 0.
  package func error(_ result: CommandResult, _ verb: String, _ units: [UnitName] = []) -> SystemdError {
    SystemdError(action: "\(self.name) \(verb)", units: units, result: result)
  }
}
