import Processes

/// A command to ``FakeSystemd``.
package struct FakeCommand: Sendable {
  /// What is asked of systemctl or journalctl.
  package enum Kind: String, Sendable {
    case version = "--version"
    case systemState = "is-system-running"
    case show
    case listUnits = "list-units"
    case start, stop, restart, kill
    case resetFailed = "reset-failed"
    case cancel
    case journalFollow, journalRead, journalHistory, journalSync, journalEnd
    case unknown
  }

  package let kind: Kind
  /// What comes after the program.
  package let arguments: [String]
  /// The words after `--`.
  package let operands: [String]

  /// The command as a person would type it, without its directory and prefix.
  package var text: String {
    ([self.isOfJournal ? "journalctl" : "systemctl"] + self.arguments).joined(separator: " ")
  }

  let isOfJournal: Bool

  init(_ command: Command) {
    let words = [command.executable] + command.arguments
    func isProgram(_ name: Substring, _ word: String) -> Bool { word.split(separator: "/").last == name }
    let journalctl = words.firstIndex { isProgram("journalctl", $0) }
    let program = journalctl ?? words.firstIndex { isProgram("systemctl", $0) } ?? 0
    let arguments = Array(words[(program + 1)...])
    self.arguments = arguments
    self.operands = Array(arguments.drop { $0 != "--" }.dropFirst())
    self.isOfJournal = journalctl != nil
    if self.isOfJournal {
      self.kind =
        if arguments.contains("--sync") {
          .journalSync
        } else if arguments.contains("--follow") {
          .journalFollow
        } else if arguments.contains("_PID=1") {
          .journalHistory
        } else if arguments.contains("--lines=1") {
          .journalEnd
        } else {
          .journalRead
        }
    } else {
      let verb = arguments.first { $0 == Kind.version.rawValue || !$0.hasPrefix("-") }
      self.kind = verb.flatMap { Kind(rawValue: $0) } ?? .unknown
    }
  }

  /// The values of an option, separated by commas.
  func values(_ option: String) -> [String] {
    let prefix = "--\(option)="
    return arguments.first { $0.hasPrefix(prefix) }.map {
      $0.dropFirst(prefix.count).split(separator: ",").map(String.init)
    } ?? []
  }
}
