import Processes
import Systemd

/// What a command asks or does, apart from how it was reached and from what differs each time by design.
struct CommandSignature: Hashable {
  /// What a replay has to know of a command.
  enum Kind: Hashable {
    /// It changes something, or may.
    case change
    /// It asks for the state of units; answers about several units can be taken apart.
    case state
    /// It reads entries of a unit from the journal, from a position on.
    case journal
    /// It asks for something else.
    case other
  }

  /// What it does.
  let kind: Kind

  /// The program's name and its arguments, without the units and the position in the journal.
  let words: [String]

  /// The units that it names.
  let units: [String]

  /// Where it begins to read in the journal; no part of what commands are compared by.
  let position: JournalPosition?

  /// Takes a command apart.
  ///
  /// - Parameter prefix: what was put before the command to reach a systemd elsewhere.
  init(_ command: Command, prefix: [String] = []) {
    var words = [command.executable] + command.arguments
    if !prefix.isEmpty, words.dropFirst().starts(with: prefix.dropFirst()), words.count > prefix.count {
      words.removeFirst(prefix.count)
    }
    words[0] = words[0].split(separator: "/").last.map(String.init) ?? words[0]
    switch words[0] {
    case "systemctl":
      let verb = words.dropFirst().first { !$0.hasPrefix("-") }
      let isQuestion = verb.map { Self.questions.contains($0) } ?? words.contains("--version")
      // What `cancel` names are jobs.
      let end = verb == "cancel" ? nil : words.firstIndex(of: "--")
      let units = end.map { Array(words[$0...].dropFirst()) } ?? []
      self.init(
        isQuestion ? units.isEmpty ? .other : .state : .change, Array(words[..<(end ?? words.endIndex)]),
        units)
    case "journalctl":
      let units = words.filter { $0.hasPrefix("--unit=") }.map { String($0.dropFirst("--unit=".count)) }
      if words.contains(where: { word in Self.journalChanges.contains { word.hasPrefix($0) } }) {
        self.init(.change, words)
        return
      }
      // What the last lines are depends on the time, as a state does.
      let isState = words.contains { $0.hasPrefix("--lines=") }
      // Of several units the first is the one that the others are read for.
      self.init(
        units.isEmpty ? .other : isState ? .state : .journal,
        words.filter { $0 != "--unit=\(units.first ?? "")" && Self.position($0) == nil },
        Array(units.prefix(1)),
        words.lazy.compactMap { Self.position($0) }.first)
    case "grep", "tail":
      self.init(.other, words)
    default:
      self.init(.change, words)
    }
  }

  private init(_ kind: Kind, _ words: [String], _ units: [String] = [], _ position: JournalPosition? = nil) {
    self.kind = kind
    self.words = words
    self.units = units
    self.position = position
  }

  /// The verbs of systemctl(1) that change nothing.
  private static let questions: Set = [
    "show", "list-units", "is-system-running", "is-active", "is-failed", "is-enabled", "cat", "status",
    "list-unit-files", "list-jobs", "list-timers", "list-sockets", "list-paths", "list-dependencies",
    "list-machines", "get-default", "help", "show-environment",
  ]

  /// The options of journalctl(1) that change something.
  private static let journalChanges = [
    "--rotate", "--vacuum-", "--flush", "--relinquish-var", "--smart-relinquish-var", "--setup-keys",
    "--update-catalog",
  ]

  private static func position(_ word: String) -> JournalPosition? {
    if word.hasPrefix("--cursor=") {
      return JournalCursor(String(word.dropFirst("--cursor=".count))).map { .after($0) }
    }
    guard word.hasPrefix("--since=@") else { return nil }
    let parts = word.dropFirst("--since=@".count).split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 2, parts[1].utf8.count == 6, let seconds = UInt64(parts[0]),
      let fraction = UInt64(parts[1]), seconds < 1 << 40
    else { return nil }
    return .since(RealtimeTimestamp(microseconds: seconds * 1_000_000 + fraction))
  }

  /// The same of one unit alone.
  func of(_ unit: String) -> CommandSignature {
    CommandSignature(self.kind, self.words, [unit], self.position)
  }

  /// The same about one unit.
  func about(_ unit: String) -> Question { Question(words: self.words, unit: unit) }

  /// What is asked about one unit.
  struct Question: Hashable {
    let words: [String]
    let unit: String
  }

  /// All that commands are compared by.
  var matchKey: [String] { self.words + self.units }

  static func == (first: Self, second: Self) -> Bool { first.matchKey == second.matchKey }

  func hash(into hasher: inout Hasher) { hasher.combine(self.matchKey) }
}
