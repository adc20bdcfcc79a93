public import Processes

/// `systemd-analyze(1)`, which tells what systemd would do. It need not be installed.
public struct SystemdAnalyze: Sendable {
  private let tool: SystemdTool
  private let timeLimit: Duration

  /// Makes a client.
  ///
  /// - Parameters:
  ///   - runner: what runs the commands.
  ///   - path: the program. With a command prefix it can be a name, which the other system finds.
  ///   - commandPrefix: words put before every command.
  ///   - timeLimit: the time limit of a command.
  public init(
    runner: any CommandRunner, path: String = Executable.find("systemd-analyze"),
    commandPrefix: [String] = [],
    timeLimit: Duration = .seconds(30)
  ) {
    self.tool = SystemdTool(runner: runner, name: "systemd-analyze", path: path, commandPrefix: commandPrefix)
    self.timeLimit = timeLimit
  }

  /// What a unit's conditions (`Condition…=`) come to now, without those that commands decide (`ExecCondition=`).
  ///
  /// - Returns: whether they are met, and if not, what is said of them on one line; nil if that cannot be told: before
  ///   version 250 a unit's conditions are not looked at.
  /// - Throws: ``SystemdError``; `CancellationError`.
  public func conditions(of unit: UnitName) async throws -> (areMet: Bool, text: String)? {
    let output = try await self.tool.run(
      "condition", [unit], ["condition", "--unit=\(unit.name)"], timeLimit: self.timeLimit, isOptional: true)
    let text = DisplayText(output.result.standardError + output.standardOutput).text
    if output.result.termination.isSuccess { return (true, text) }
    return text.contains("Conditions failed") ? (false, text) : nil
  }
}
