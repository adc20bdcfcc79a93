import Foundation
import Processes

/// A transcript as a script for bash(1) that runs the commands again.
package struct TranscriptScript: Sendable {
  private let transcript: Transcript
  private let includesChanges: Bool

  /// - Parameter includesChanges: whether the script also runs commands that change something, or may.
  package init(_ transcript: Transcript, includesChanges: Bool) {
    self.transcript = transcript
    self.includesChanges = includesChanges
  }

  /// Prints the lines of the script.
  package func lines(_ print: (String) -> Void) {
    print("#!/bin/bash")
    print(
      "# Made from a transcript. Read it before you run it: the commands are those of whoever recorded it.")
    if !self.includesChanges { print("# Commands that change something, or may, are comments.") }
    print("export LC_ALL=C.UTF-8 TZ=UTC SYSTEMD_PAGER= SYSTEMD_COLORS=0 SYSTEMD_URLIFY=0")
    for exchange in self.transcript.exchanges {
      print("")
      let time = String(format: "%.6f s", Double(exchange.start) / 1e6)
      let duration = exchange.duration.map { String(format: ", %.3f ms", $0 / .milliseconds(1)) } ?? ""
      print("# \(time): \(exchange.status)\(duration)")
      let isHarmless = self.transcript.header.commandPrefix.isEmpty && Self.isHarmless(exchange.command)
      // It would run for ever.
      let limit = exchange.command.arguments.contains("--follow") ? "timeout 10 " : ""
      print((isHarmless || self.includesChanges ? "" : "# ") + limit + exchange.command.description)
    }
  }

  /// The options that the plugin itself uses in questions.
  private static let options = [
    "--no-pager", "--no-ask-password", "--timestamp=", "--property=", "--all", "--plain", "--no-legend",
    "--full",
    "--output=", "--output-fields=", "--version", "--follow", "--no-tail", "--unit=", "--since=", "--cursor=",
    "--boot", "--quiet", "--lines=", "--sync",
  ]

  /// Whether a command is a question that the plugin asks, to a program of the system. The transcript may
  /// come from anyone.
  private static func isHarmless(_ command: Command) -> Bool {
    let signature = CommandSignature(command)
    guard signature.kind != .change, let program = signature.words.first,
      ["/usr/bin/\(program)", "/bin/\(program)"].contains(command.executable)
    else { return false }
    if program == "grep" { return command.arguments.starts(with: ["-qF", "--"]) }
    guard program == "systemctl" || program == "journalctl" else { return false }
    return command.arguments.prefix { $0 != "--" }.allSatisfy { argument in
      !argument.hasPrefix("-")
        || self.options.contains { $0.hasSuffix("=") ? argument.hasPrefix($0) : argument == $0 }
    }
  }
}
