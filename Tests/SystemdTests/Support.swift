import Foundation
import Logging
import Synchronization
import Systemd

/// Polls a condition for up to a minute.
func eventually(_ condition: () throws -> Bool) async throws -> Bool {
  let deadline = ContinuousClock.now + .seconds(60)
  while ContinuousClock.now < deadline {
    if try condition() { return true }
    try await Task.sleep(for: .milliseconds(5))
  }
  return false
}

/// Gives a folder that exists while the closure runs.
func withTemporaryFolder<Result>(_ body: (String) async throws -> Result) async throws -> Result {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
    "systemd-tests-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  return try await body(folder.path)
}

/// Whether a process exists; a zombie does.
func exists(_ processID: Int32) -> Bool {
  FileManager.default.fileExists(atPath: "/proc/\(processID)")
}

let quietLogger = Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() }

extension Command {
  /// A shell script, with a time limit so that a test of something that hangs ends.
  static func shell(_ script: String, _ arguments: String..., timeLimit: Duration = .seconds(60)) -> Command {
    Command(executable: "/bin/sh", arguments: ["-c", script, "sh"] + arguments, timeLimit: timeLimit)
  }
}

extension CommandOutput {
  var text: String { String(decoding: standardOutput, as: UTF8.self) }
}

/// A runner that gives prepared answers, one a command, and keeps the commands.
final class ScriptedRunner: CommandRunner {
  enum Answer {
    case output(String, standardError: String = "", status: Int32 = 0)
    case chunks([[UInt8]], standardError: String = "", status: Int32 = 0)
    case error(any Error & Sendable)
  }

  private struct State {
    var answers: [Answer]
    var commands: [Command] = []
  }

  private let state: Mutex<State>

  init(_ answers: Answer...) {
    state = Mutex(State(answers: answers))
  }

  var commands: [Command] { state.withLock(\.commands) }

  /// The commands as lines, without the folder of the program.
  var lines: [String] { commands.map { $0.description.replacingOccurrences(of: "/usr/bin/", with: "") } }

  func run(_ command: Command, onOutput: ([UInt8]) async throws -> Void) async throws -> CommandResult {
    let answer = state.withLock { state in
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

/// A generator with a seed, so that a failure can be repeated.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) {
    state = seed
  }

  // SplitMix64.
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return value ^ (value >> 31)
  }
}
