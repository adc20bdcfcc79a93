import Foundation
package import Processes
import Synchronization

/// A runner that gives prepared answers, and keeps the commands.
package final class ScriptedRunner: CommandRunner {
  /// What a command answers.
  package enum Answer: Sendable {
    case output(String = "", standardError: String = "", status: Int32 = 0, duration: Duration = .zero)
    case chunks([[UInt8]], standardError: String = "", status: Int32 = 0)
    case error(any Error & Sendable)
  }

  private enum Script {
    case inOrder([Answer])
    case byPart([(part: String, answer: Answer)])

    mutating func answer(to command: Command) -> Answer {
      switch self {
      case .inOrder(var answers):
        guard !answers.isEmpty else { return .output(standardError: "no answer is left", status: 99) }
        let answer = answers.removeFirst()
        self = .inOrder(answers)
        return answer
      case .byPart(let answers):
        return answers.first { command.description.contains($0.part) }?.answer
          ?? .error(CommandError.notExecutable(command, reason: "No such file or directory"))
      }
    }
  }

  private struct State {
    var script: Script
    var commands: [Command] = []
  }

  private let state: Mutex<State>

  /// Gives these answers, in order.
  package init(_ answers: Answer...) {
    self.state = Mutex(State(script: .inOrder(answers)))
  }

  /// Answers by what the command line contains: the first that fits. There is no program for other commands.
  package init(_ answers: [(part: String, answer: Answer)]) {
    self.state = Mutex(State(script: .byPart(answers)))
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
      return state.script.answer(to: command)
    }
    switch answer {
    case .output(let output, let standardError, let status, let duration):
      if !output.isEmpty { try await onOutput(Array(output.utf8)) }
      return Self.result(standardError, status, duration)
    case .chunks(let chunks, let standardError, let status):
      for chunk in chunks { try await onOutput(chunk) }
      return Self.result(standardError, status, .zero)
    case .error(let error):
      throw error
    }
  }

  private static func result(
    _ standardError: String, _ status: Int32, _ duration: Duration
  ) -> CommandResult {
    CommandResult(
      termination: .exited(status), standardError: Array(standardError.utf8), duration: duration)
  }
}
