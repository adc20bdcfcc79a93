import Logging
import NomadPlugin
import Processes
import Systemd

/// What one configuration of the agent makes.
struct DriverEngine: Sendable {
  let options: PluginOptions
  /// The node's compute; nil if the agent does not tell.
  let topology: Topology?
  let systemd: SystemdClient
  let watcher: UnitWatcher

  /// - Parameter version: the plugin's version.
  /// - Throws: `ConfigurationError` if there is no transcript to replay or no file to record to.
  init(
    _ options: PluginOptions, topology: Topology?, version: String, runner: any CommandRunner, logger: Logger
  ) throws(ConfigurationError) {
    self.options = options
    self.topology = topology
    self.systemd = try SystemdClient(options, version: version, runner: runner, logger: logger)
    self.watcher = UnitWatcher(
      systemctl: self.systemd.systemctl, pollInterval: options.pollInterval,
      pollsFully: self.systemd.location.replay != nil, logger: logger)
  }

  /// Does what the tasks share, until cancelled.
  func run() async {
    await withDiscardingTaskGroup { group in
      group.addTask { await self.watcher.run() }
      group.addTask { await self.systemd.run() }
      if case .record? = self.options.transcript {
        // Whoever reads a recording wants to know what it is of.
        group.addTask { _ = try? await self.systemd.systemctl.version() }
      }
    }
  }

  /// Whether a task's job may have a unit, by its name alone.
  func isAllowed(for task: TaskConfig) -> @Sendable (UnitName) -> Bool {
    { [policy = self.options.policy] in policy.refusal(of: $0, to: task) == nil }
  }
}
