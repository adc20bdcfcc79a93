import NomadPlugin
import Systemd

/// A job's `config { … }` block.
struct TaskConfiguration: Sendable, Hashable {
  /// The unit that the task is.
  let unit: UnitName

  /// The block's schema.
  static let schema = HCLSpec.object(["unit": .attribute(.string, required: true)])

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
  }

  /// The block on the wire.
  private struct Block: Decodable {
    let unit: String
  }
}
