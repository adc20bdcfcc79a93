import MessagePack
import NomadPlugin
import Systemd
import TestHelpers
import Testing

@testable import SystemdDriver

/// What the driver says of itself, and how it takes its configuration.
@Suite(.timeLimit(.minutes(1))) struct DriverHealthTests {
  /// What a driver says first.
  private func fingerprint(_ driver: SystemdDriver) async throws -> Fingerprint {
    struct Seen: Error { let fingerprint: Fingerprint }
    do {
      try await driver.fingerprint { throw Seen(fingerprint: $0) }
    } catch let seen as Seen {
      return seen.fingerprint
    }
    throw NeverHeld(what: "a fingerprint")
  }

  @Test(arguments: ["running", "degraded", "starting"]) func systemdCanStartUnits(state: String) async throws
  {
    try await withDriver(FakeSystemd(), ["exec": ["enabled": false]]) { driver, systemd in
      systemd.setSystemState(state)
      let fingerprint = try await self.fingerprint(driver)
      #expect(fingerprint.health == .healthy)
      #expect(fingerprint.healthDescription.hasPrefix("systemd 252 is \(state); no exec"))
      #expect(
        fingerprint.attributes == [
          "driver.systemd": true, "driver.systemd.exec": false, "driver.systemd.version": "252",
          "driver.systemd.plugin_version": "1.2.3",
        ])
      #expect(!driver.capabilities.exec)
    }
  }

  @Test(arguments: ["stopping", "offline"]) func systemdCannotStartUnits(state: String) async throws {
    try await withDriver { driver, systemd in
      systemd.setSystemState(state)
      let fingerprint = try await self.fingerprint(driver)
      #expect(fingerprint.health == .unhealthy && fingerprint.healthDescription.contains("'\(state)'"))
      #expect(fingerprint.attributes.isEmpty)
    }
  }

  @Test(
    arguments: [(.notExecutable, .undetected), (.unreachable, .unhealthy)]
      as [(FakeFailure, Fingerprint.Health)])
  func systemctlFails(failure: FakeFailure, health: Fingerprint.Health) async throws {
    try await withDriver { driver, systemd in
      systemd.fail(.version, failure)
      let fingerprint = try await self.fingerprint(driver)
      #expect(fingerprint.health == health)
    }
  }

  @Test func aDriverThatIsDisabled() async throws {
    try await withDriver(FakeSystemd(), ["enabled": false]) { driver, systemd in
      let fingerprint = try await self.fingerprint(driver)
      #expect(fingerprint.health == .undetected)
      #expect(systemd.commands.isEmpty)
    }
  }

  @Test func anotherConfigurationIsForTheTasksFromThenOn() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let id = try await driver.start("web")
      try await driver.configure(["denied_units": ["web.service"]])
      await #expect(throws: DriverError.self) { try await driver.start("web") }
      #expect(try await driver.inspectTask(id).state == .running)
      web.exit(7)
      #expect(try await driver.waitTask(id).exitCode == 7)
    }
  }

  @Test func aConfigurationThatIsOnlyChecked() async throws {
    try await withDriver { driver, systemd in
      systemd.add("web.service")
      func check(_ options: [String: MessagePackValue]) async throws {
        try await driver.configure(
          PluginConfiguration(
            messagePack: try MessagePackEncoder().encode(MessagePackValue(options)), agent: nil))
      }
      try await check(["enabled": false])
      let error = await #expect(throws: ConfigurationError.self) { try await check(["poll_interval": "1"]) }
      #expect("\(String(describing: error))".contains("poll_interval"))
      _ = try await driver.start("web")
    }
  }
}
