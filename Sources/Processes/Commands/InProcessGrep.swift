import Foundation

/// Does in this process what `grep -qF -- WORD FILE…` does, for which a process would be a large price; as a command it
/// can be recorded and replayed like others.
package struct InProcessGrep: CommandRunner {
  /// How much of a file is searched. One that is longer counts as one that has the word.
  private static let sizeLimit = 1 << 20

  /// Makes a runner.
  package init() {}

  /// The command that looks for a word in files.
  package static func command(_ word: String, in files: [String]) -> Command {
    Command(executable: "/usr/bin/grep", arguments: ["-qF", "--", word] + files)
  }

  /// Looks for the word. The exit status is 0 if a file has it, 1 if none has, 2 if one cannot be read.
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
