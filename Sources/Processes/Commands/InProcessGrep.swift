import Foundation

/// Does what `grep -qF -- WORD FILE…` does without the cost of a process. As a command it can be recorded and
/// replayed.
package struct InProcessGrep: CommandRunner {
  /// How many bytes of a file are searched. A longer file counts as one that has the word.
  private static let sizeLimit = 1 << 20

  /// Makes a runner.
  package init() {}

  /// The command that searches files for a word.
  package static func command(_ word: String, in files: [String]) -> Command {
    Command(executable: "/usr/bin/grep", arguments: ["-qF", "--", word] + files)
  }

  /// Searches for the word. The exit status is 0 if a file has it, 1 if none has, 2 if one cannot be read.
  package func run(_ command: Command, onOutput: ([UInt8]) async throws -> Void) async throws -> CommandResult
  {
    let start = ContinuousClock.now
    var status: Int32 = 1
    let word = Data((command.arguments.dropFirst(2).first ?? "").utf8)
    for path in command.arguments.dropFirst(3) where status == 1 {
      guard let file = FileHandle(forReadingAtPath: path) else {
        status = 2
        continue
      }
      do {
        let text = try file.read(upToCount: Self.sizeLimit) ?? Data()
        if text.count == Self.sizeLimit || text.range(of: word) != nil { status = 0 }
      } catch {
        status = 2
      }
    }
    return CommandResult(
      termination: .exited(status), standardError: [], duration: ContinuousClock.now - start)
  }
}
