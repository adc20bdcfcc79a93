import NomadPlugin
import Systemd

/// The agent's `plugin "nomad-driver-systemd" { config { … } }` block.
struct PluginOptions: Sendable, Hashable {
  /// Whether the driver offers itself to jobs.
  var isEnabled = true
  /// The systemctl to run; nil: the one on PATH.
  var systemctlPath: String?
  /// The journalctl to run; nil: the one on PATH.
  var journalctlPath: String?
  /// What is put before every command, to reach a systemd elsewhere.
  var commandPrefix: [String] = []
  /// How often the states of all units are polled.
  var pollInterval: Duration = .seconds(1)
  /// Whether the lines of all units stay in the journal alone.
  var disablesLogCollection = false
  /// Whether commands can be run in tasks.
  var isExecEnabled = true
  /// Which units jobs may have.
  var policy = UnitPolicy()
  /// Whether commands are recorded or replayed; nil: neither.
  var transcript: TranscriptMode?

  /// The range of ``pollInterval``.
  static let pollIntervals: ClosedRange<Duration> = .milliseconds(100)...(.seconds(60))

  /// The block's schema, with the defaults.
  static let schema = HCLSpec.object(
    [
      "enabled": .default(.attribute(.bool), true),
      "systemctl_path": .attribute(.string),
      "journalctl_path": .attribute(.string),
      "command_prefix": .attribute(.list(.string)),
      "poll_interval": .default(.attribute(.string), "1s"),
      "disable_log_collection": .default(.attribute(.bool), false),
      "exec": .block(.object(["enabled": .default(.attribute(.bool), true)])),
    ].merging(UnitPolicyOptions.schema.merging(TranscriptOptions.schema) { own, _ in own }) { own, _ in own })

  init() {}

  /// Takes what the agent sends.
  ///
  /// - Throws: `ConfigurationError`, which names the attribute and what is allowed.
  init(_ configuration: PluginConfiguration) throws(ConfigurationError) {
    let block = try configuration.decode(Block.self)
    self.isEnabled = block.enabled ?? true
    self.systemctlPath = try Self.path(block.systemctl_path, "systemctl_path")
    self.journalctlPath = try Self.path(block.journalctl_path, "journalctl_path")
    self.commandPrefix = block.command_prefix ?? []
    self.isExecEnabled = block.exec?.enabled ?? true
    if self.commandPrefix.contains(where: { $0.isEmpty || $0.utf8.contains(0) }) {
      throw ConfigurationError(
        attribute: "command_prefix", problem: "no word of it may be empty or have a NUL")
    }
    self.disablesLogCollection = block.disable_log_collection ?? false
    self.policy = try configuration.decode(UnitPolicyOptions.self).policy
    self.transcript = try configuration.decode(TranscriptOptions.self).mode
    guard let text = block.poll_interval else { return }
    guard let interval = Duration(goText: text), Self.pollIntervals.contains(interval) else {
      throw ConfigurationError(
        attribute: "poll_interval",
        problem: "'\(text)' is not a duration from 100ms to 60s; write for example \"1s\" or \"500ms\"")
    }
    self.pollInterval = interval
  }

  private static func path(_ text: String?, _ attribute: String) throws(ConfigurationError) -> String? {
    guard let text, !text.isEmpty else { return nil }
    guard text.hasPrefix("/"), !text.utf8.contains(0) else {
      throw ConfigurationError(attribute: attribute, problem: "'\(text)' is not an absolute path")
    }
    return text
  }

  /// The block on the wire.
  private struct Block: Decodable {
    let enabled: Bool?
    let systemctl_path: String?
    let journalctl_path: String?
    let command_prefix: [String]?
    let poll_interval: String?
    let disable_log_collection: Bool?
    let exec: Exec?

    struct Exec: Decodable {
      let enabled: Bool?
    }
  }
}
