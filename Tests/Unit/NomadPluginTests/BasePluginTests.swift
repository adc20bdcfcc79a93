import SwiftProtobuf
import Testing

@testable import NomadPlugin

@Suite(.timeLimit(.minutes(1))) struct BasePluginTests {
  @Test func pluginInfo() async throws {
    let info = PluginInfo(name: "systemd", version: "v0.1.0")
    let driver = RecordingDriver { $0.info = info }
    #expect(try await withPluginClient(driver) { try await $0.pluginInfo() } == info)
    #expect(info.wire.type == .driver)
    #expect(info.wire.pluginApiVersions == ["0.1.0"])
  }

  @Test func configurationSchema() async throws {
    let schema: HCLSpec = .object(["enabled": .default(.attribute(.bool), true)])
    let driver = RecordingDriver { $0.configurationSchema = schema }
    #expect(try await withPluginClient(driver) { try await $0.configurationSchema() } == schema)
  }

  @Test func configuration() async throws {
    let driver = RecordingDriver()
    let topology = Topology(
      cores: [.init(baseSpeed: 1, maximumSpeed: 2, guessedSpeed: 3), .init(maximumSpeed: 4)],
      overrideTotalCompute: 5)
    let toCheck = PluginConfiguration(messagePack: [0x80], agent: nil)
    let toUse = PluginConfiguration(
      messagePack: [0x81, 0xa1, 0x61, 0xc3], apiVersion: "0.1.0",
      agent: AgentConfiguration(minimumPort: 14_000, maximumPort: 14_512, topology: topology))
    try await withPluginClient(driver) { client in
      try await client.configure(toCheck)
      try await client.configure(toUse)
    }
    #expect(driver.calls == [.configure(toCheck), .configure(toUse)])
    #expect(toCheck.isValidationOnly)
    #expect(!toUse.isValidationOnly)
  }

  @Test func agentWithoutDriverSectionIsStillToBeUsed() {
    let configuration = PluginConfiguration(.with { $0.nomadConfig = WireNomadConfig() })
    #expect(!configuration.isValidationOnly)
    #expect(configuration.agent == AgentConfiguration())
  }

  @Test func aConfigurationErrorReachesTheAgentAsItIs() async throws {
    let problem = ConfigurationError(attribute: "poll_interval", problem: "must be at least 100ms")
    let driver = RecordingDriver { $0.failure = problem }
    await #expect(throws: DriverError.unrecoverable("poll_interval: must be at least 100ms")) {
      try await withPluginClient(driver) {
        try await $0.configure(PluginConfiguration(messagePack: [], agent: nil))
      }
    }
  }
}
