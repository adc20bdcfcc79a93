import NomadPlugin
import Systemd

/// A job's `config { … }` block.
struct TaskOptions: Sendable, Hashable {
  /// What a start does with a unit that is active already.
  enum OnActive: String, Sendable, CaseIterable {
    /// The unit becomes the task's as it is.
    case adopt
    /// It is restarted.
    case restart
    /// The start fails.
    case fail
  }

  /// What a stop does with the unit.
  enum OnStop: String, Sendable, CaseIterable {
    /// It is stopped.
    case stop
    /// It runs on, and is nobody's.
    case leave
  }

  /// The unit that the task is.
  let unit: UnitName
  var onActive = OnActive.adopt
  var onStop = OnStop.stop
  var logs = LogConfiguration()
  /// Whether the unit's lines stay in the journal alone.
  var disablesLogCollection = false
  /// Which of the unit's processes get the signals that Nomad sends.
  var signalTo = Systemctl.KillWhom.main

  /// The block's schema, with the defaults.
  static let schema = HCLSpec.object([
    "unit": .attribute(.string, required: true),
    "on_active": .default(.attribute(.string), "adopt"),
    "on_stop": .default(.attribute(.string), "stop"),
    "signal_to": .default(.attribute(.string), "main"),
    "logs": .block(LogConfiguration.schema),
    "disable_log_collection": .default(.attribute(.bool), false),
  ])

  /// The defaults, for a unit.
  init(unit: UnitName) { self.unit = unit }

  /// The same, with the unit's lines staying in the journal alone.
  var withoutLogs: Self {
    var configuration = self
    configuration.disablesLogCollection = true
    return configuration
  }

  /// Takes what Nomad sends for a task.
  ///
  /// - Throws: `ConfigurationError`, which names the attribute and what is allowed.
  init(_ config: TaskConfig) throws(ConfigurationError) {
    let block = try config.decodeDriverConfig(Block.self)
    do {
      self.unit = try UnitName(block.unit)
    } catch {
      throw ConfigurationError(attribute: "unit", problem: "\(error)")
    }
    self.onActive = try Self.choice(block.on_active, "on_active", .adopt)
    self.onStop = try Self.choice(block.on_stop, "on_stop", .stop)
    self.signalTo = try Self.choice(block.signal_to, "signal_to", .main)
    if let logs = block.logs { self.logs = try LogConfiguration(logs) }
    self.disablesLogCollection = block.disable_log_collection ?? false
  }

  /// One of the words that an attribute may be.
  static func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ text: String?, _ attribute: String, _ standard: Choice
  ) throws(ConfigurationError) -> Choice {
    guard let text else { return standard }
    guard let choice = Choice(rawValue: text) else {
      let allowed = Choice.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
      throw ConfigurationError(attribute: attribute, problem: "'\(text)' is not one of \(allowed)")
    }
    return choice
  }

  /// The block on the wire.
  private struct Block: Decodable {
    let unit: String
    let on_active: String?
    let on_stop: String?
    let signal_to: String?
    let logs: LogConfiguration.Block?
    let disable_log_collection: Bool?
  }
}
