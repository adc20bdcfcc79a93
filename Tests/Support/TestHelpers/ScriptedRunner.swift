import Foundation
package import Processes
import Synchronization

/// A runner that gives prepared answers, one a command, and keeps the commands.
package final class ScriptedRunner: CommandRunner {
  /// What a command answers.
  package enum Answer {
    case output(String, standardError: String = "", status: Int32 = 0)
    case chunks([[UInt8]], standardError: String = "", status: Int32 = 0)
    case error(any Error & Sendable)
  }

  private struct State {
    var answers: [Answer]
    var commands: [Command] = []
  }

  private let state: Mutex<State>

  /// Gives these answers, in order.
  package init(_ answers: Answer...) {
    self.state = Mutex(State(answers: answers))
  }

  /// The commands that were run.
  package var commands: [Command] { self.state.withLock(\.commands) }

  /// The commands as lines, without the directory of the program.
  package var lines: [String] {
    self.commands.map { $0.description.replacingOccurrences(of: "/usr/bin/", with: "") }
  }

  /// Gives the next answer.
  package func run(_ command: Command, onOutput: ([UInt8]) async throws -> Void) async throws -> CommandResult
  {
    let answer = self.state.withLock { state in
      state.commands.append(command)
      return state.answers.isEmpty
        ? Answer.output("", standardError: "no answer is left", status: 99)
        : state.answers.removeFirst()
    }
    switch answer {
    case .output(let output, let standardError, let status):
      if !output.isEmpty { try await onOutput(Array(output.utf8)) }
      return Self.result(standardError, status)
    case .chunks(let chunks, let standardError, let status):
      for chunk in chunks { try await onOutput(chunk) }
      return Self.result(standardError, status)
    case .error(let error):
      throw error
    }
  }

  private static func result(_ standardError: String, _ status: Int32) -> CommandResult {
    CommandResult(termination: .exited(status), standardError: Array(standardError.utf8), duration: .zero)
  }
}
