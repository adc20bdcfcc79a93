extension HostCheck {
  /// Checks that commands can be run in tasks.
  func exec() -> Check {
    var configuration = PluginOptions()
    configuration.commandPrefix = self.commandPrefix
    guard let problem = UnitExec.problem(with: configuration) else {
      return Check("exec", .ok, "commands can be run in tasks")
    }
    return Check(
      "exec", .warn, problem,
      hint: "`nomad alloc exec` works on the units' own host, by a plugin that runs as root.")
  }
}
