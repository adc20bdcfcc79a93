import Processes

/// Runs commands, but none for a task that another process of the plugin has taken.
struct ClaimedCommandRunner: CommandRunner {
  private let runner: any CommandRunner

  init(_ runner: any CommandRunner) { self.runner = runner }

  func run(_ command: Command, onOutput: ([UInt8]) async throws -> Void) async throws -> CommandResult {
    try TaskClaim.check()
    return try await self.runner.run(command, onOutput: onOutput)
  }
}
