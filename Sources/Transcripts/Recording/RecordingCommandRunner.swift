public import Processes

/// Runs commands with another runner and records them in a transcript.
public struct RecordingCommandRunner: CommandRunner {
  private let runner: any CommandRunner
  private let transcript: TranscriptWriter

  /// Makes a runner.
  ///
  /// - Parameters:
  ///   - runner: what runs the commands.
  ///   - transcript: where they are recorded.
  public init(_ runner: any CommandRunner, to transcript: TranscriptWriter) {
    self.runner = runner
    self.transcript = transcript
  }

  /// Runs a command and records it.
  public func run(_ command: Command, onOutput: ([UInt8]) async throws -> Void) async throws -> CommandResult
  {
    let id = await self.transcript.recordStart(of: command)
    do {
      let result = try await self.runner.run(command) { chunk in
        await self.transcript.record(chunk, of: id)
        try await onOutput(chunk)
      }
      await self.transcript.record(.ended(result), of: id)
      return result
    } catch {
      await self.transcript.record(Self.outcome(error), of: id)
      throw error
    }
  }

  private static func outcome(_ error: any Error) -> TranscriptOutcome {
    switch error {
    case let error as CommandError: .failed(error)
    case is CancellationError: .cancelled
    default: .refused("\(error)")
    }
  }
}
