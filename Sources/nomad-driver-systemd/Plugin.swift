import ArgumentParser
import Foundation
import GoPlugin
import Logging
import NomadPlugin
import Processes
import Systemd
import SystemdDriver

func environment() -> [String: String] { ProcessInfo.processInfo.environment }

/// The program as a plugin.
enum Plugin {
  /// Serves until the host ends the plugin.
  static func run() async throws {
    OpenFileLimit.raise()
    LoggingSystem.bootstrap { HCLogHandler(label: $0) }
    let logger = Logger(label: "systemd")
    let driver = SystemdDriver(
      version: pluginVersion, runner: ProcessCommandRunner(logger: logger),
      // Another user's plugin, which a person runs, has no directory there.
      recordDirectory: geteuid() == 0 ? "/run/nomad-driver-systemd" : nil, logger: logger)
    let server = PluginServer(
      magicCookie: magicCookie, protocolVersions: [nomadProtocolVersion],
      services: [BasePluginService(driver), DriverService(driver)], idleLimit: .seconds(60),
      isInUse: { driver.hasTasks }, logger: logger)
    do {
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { await driver.run() }
        defer { group.cancelAll() }
        try await server.run { driver.shutdown() }
      }
    } catch {
      printError("nomad-driver-systemd: \(error)")
      throw ExitCode.failure
    }
  }
}
