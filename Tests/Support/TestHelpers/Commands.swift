import Foundation
package import Processes

extension Command {
  /// A shell script, with a time limit so that a test of something that hangs ends.
  package static func shell(_ script: String, _ arguments: String..., timeLimit: Duration = .seconds(60))
    -> Command
  {
    Command(executable: "/bin/sh", arguments: ["-c", script, "sh"] + arguments, timeLimit: timeLimit)
  }
}

extension CommandOutput {
  /// The standard output as text.
  package var text: String { String(decoding: self.standardOutput, as: UTF8.self) }
}

/// Whether a process exists; a zombie does.
package func exists(_ processID: Int32) -> Bool {
  FileManager.default.fileExists(atPath: "/proc/\(processID)")
}
