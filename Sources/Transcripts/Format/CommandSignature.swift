import Processes
import Systemd

/// What a command asks or does, so that a new command can be matched with a recorded one.
///
/// The command prefix, the program's directory, the position in the journal and the wanted fields do not count.
struct CommandSignature: Hashable {
  /// The kinds of commands, which a replay answers in different ways.
  enum Kind: Hashable {
    /// A command that changes something, or may.
    case change
    /// A question about the state of units. An answer about several units can be split by unit.
    case state
    /// A read of a unit's journal, from a position on.
    case journal
    /// Any other question.
    case other
  }

  /// The kind of the command.
  let kind: Kind

  /// The program's name and its arguments, without the units and the position in the journal.
  let words: [String]

  /// The units that it names.
  let units: [String]

  /// Where it begins to read the journal; not part of ``matchKey``.
  let position: JournalPosition?

  /// Makes the signature of a command.
  ///
  /// - Parameter prefix: the command prefix, which reaches a systemd elsewhere.
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
      // `cancel` names jobs, not units.
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
      // The last lines depend on when they are asked for, as a state does.
      let isState = words.contains { $0.hasPrefix("--lines=") }
      // The first unit is the one that the journal is read for.
      self.init(
        units.isEmpty ? .other : isState ? .state : .journal,
        words.filter { $0 != "--unit=\(units.first ?? "")" && !Self.isOmitted($0) },
        Array(units.prefix(1)),
        words.lazy.compactMap { Self.position($0) }.first)
    case "grep", "tail", "systemd-analyze":
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

  /// Whether an option of journalctl(1) does not count: where to begin, and which fields are needed. Entries from an
  /// older recording lack fields that are asked for since.
  private static func isOmitted(_ word: String) -> Bool {
    self.position(word) != nil || word.hasPrefix("--output-fields=")
  }

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

  /// The signature of the same command for one unit alone.
  func of(_ unit: String) -> CommandSignature {
    CommandSignature(self.kind, self.words, [unit], self.position)
  }

  /// What the command asks about one unit.
  func question(about unit: String) -> Question { Question(words: self.words, unit: unit) }

  /// A question about one unit.
  struct Question: Hashable {
    let words: [String]
    let unit: String
  }

  /// What commands are compared by.
  var matchKey: [String] { self.words + self.units }

  static func == (first: Self, second: Self) -> Bool { first.matchKey == second.matchKey }

  func hash(into hasher: inout Hasher) { hasher.combine(self.matchKey) }
}
