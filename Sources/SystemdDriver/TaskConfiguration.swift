import NomadPlugin
import Systemd

/// A job's `config { … }` block.
struct TaskConfiguration: Sendable, Hashable {
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
  let onActive: OnActive
  let onStop: OnStop

  /// The block's schema, with the defaults.
  static let schema = HCLSpec.object([
    "unit": .attribute(.string, required: true),
    "on_active": .default(.attribute(.string), "adopt"),
    "on_stop": .default(.attribute(.string), "stop"),
  ])

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
  }

  private static func choice<Choice: RawRepresentable<String> & CaseIterable>(
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
  }
}
