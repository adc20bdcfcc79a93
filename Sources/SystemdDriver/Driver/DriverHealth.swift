import NomadPlugin
import Processes
import Systemd

/// Whether the driver can be used on this host, as Nomad's fingerprint tells it.
struct DriverHealth: Sendable {
  /// The plugin's version.
  let pluginVersion: String

  /// How long a fingerprint holds.
  private static let interval: Duration = .seconds(30)
  /// How long one that says "unhealthy" holds: the driver may be healthy again any moment.
  private static let unhealthyInterval: Duration = .seconds(5)
  /// The states of the system in which units can be started (systemctl(1), is-system-running).
  static let usableStates: Set = ["initializing", "starting", "running", "degraded", "maintenance"]

  /// Reports the health at once and again and again, until cancelled.
  ///
  /// - Parameter engine: the driver's engine at that time; nil if the driver is disabled or has no configuration yet.
  /// - Throws: what `report` throws; `CancellationError`.
  func run(
    engine: @Sendable () -> DriverEngine?, _ report: @Sendable (Fingerprint) async throws -> Void
  ) async throws {
    while true {
      let fingerprint = await self.fingerprint(engine())
      try await report(fingerprint)
      try await Task.sleep(
        for: fingerprint.health == .unhealthy ? Self.unhealthyInterval : Self.interval)
    }
  }

  private func fingerprint(_ engine: DriverEngine?) async -> Fingerprint {
    guard let engine else {
      return Fingerprint(health: .undetected, healthDescription: "disabled in the plugin's configuration")
    }
    do {
      let version = try await engine.systemd.systemctl.version()
      let systemState = try await engine.systemd.systemctl.systemState()
      guard Self.usableStates.contains(systemState) else {
        return Fingerprint(
          health: .unhealthy,
          healthDescription: "systemd's state is '\(systemState)': see systemctl is-system-running")
      }
      let execProblem = UnitExec.problem(with: engine.options)
      return Fingerprint(
        health: .healthy,
        healthDescription: "systemd \(version.number) is \(systemState)"
          + (execProblem.map { "; no exec: \($0)" } ?? ""),
        attributes: [
          "driver.systemd": true,
          "driver.systemd.exec": .bool(execProblem == nil),
          "driver.systemd.version": .string("\(version.number)"),
          "driver.systemd.plugin_version": .string(self.pluginVersion),
        ])
    } catch {
      let isMissing =
        if case .command(.notExecutable)? = (error as? SystemdError)?.reason { true } else { false }
      return Fingerprint(health: isMissing ? .undetected : .unhealthy, healthDescription: "\(error)")
    }
  }
}
