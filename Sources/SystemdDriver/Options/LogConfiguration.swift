import NomadPlugin

/// A job's `logs { … }` block in a task's `config`: what becomes of the unit's entries in the journal.
struct LogConfiguration: Sendable, Hashable {
  /// What a line of the task's logs is made of.
  enum Format: String, Sendable, CaseIterable {
    /// The message as it is.
    case message
    /// Time, identifier and process before the message.
    case short
    /// The whole entry as `journalctl --output=json` prints it.
    case json
  }

  /// The priorities whose entries go to the task's standard error: this one and those that are more urgent (syslog(3)).
  enum StderrPriority: String, Sendable, CaseIterable {
    case emerg, alert, crit, err, warning, notice, info, debug
    /// All goes to standard output.
    case none

    /// The largest number of such a priority; -1 for none.
    var number: Int { self == .none ? -1 : Self.allCases.firstIndex(of: self) ?? -1 }
  }

  var format = Format.message
  var stderrPriority = StderrPriority.err
  /// Whether what systemd says about the unit is in the logs.
  var lifecycle = true
  /// Whether what the units say that this one triggers is in the logs.
  var includeTriggered = false
  /// Whether the logs of a unit that was active already have what it has said since it became active.
  var includeAdopted = false

  /// The block's schema.
  static let schema = HCLSpec.object([
    "format": .attribute(.string),
    "stderr_priority": .attribute(.string),
    "lifecycle": .attribute(.bool),
    "include_triggered": .attribute(.bool),
    "include_adopted": .attribute(.bool),
  ])

  init() {}

  /// - Throws: `ConfigurationError`, which names the attribute and what is allowed.
  init(_ block: Block) throws(ConfigurationError) {
    self.format = try TaskOptions.choice(block.format, "logs.format", self.format)
    self.stderrPriority = try TaskOptions.choice(
      block.stderr_priority, "logs.stderr_priority", self.stderrPriority)
    self.lifecycle = block.lifecycle ?? self.lifecycle
    self.includeTriggered = block.include_triggered ?? self.includeTriggered
    self.includeAdopted = block.include_adopted ?? self.includeAdopted
  }

  /// The block on the wire.
  struct Block: Decodable {
    let format: String?
    let stderr_priority: String?
    let lifecycle: Bool?
    let include_triggered: Bool?
    let include_adopted: Bool?
  }
}
