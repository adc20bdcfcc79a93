import MessagePack
import Testing

@testable import NomadPlugin

@Suite struct ConfigurationTests {
  private struct Settings: Decodable, Equatable {
    var enabled: Bool?
    var poll_interval: String?
    var command_prefix: [String]?
  }

  private struct Task: Decodable, Equatable {
    var unit: String
  }

  private func plugin(_ value: MessagePackValue) throws -> PluginConfiguration {
    PluginConfiguration(messagePack: try MessagePackEncoder().encode(value), agent: nil)
  }

  private func task(_ bytes: [UInt8]) -> TaskConfig {
    var config = TaskConfig(id: "t")
    config.driverConfig = bytes
    return config
  }

  @Test func attributesThatAreNotSetAreNil() throws {
    let configuration = try plugin([
      "enabled": true, "poll_interval": nil, "command_prefix": ["nsenter", "-a"],
    ])
    #expect(
      try configuration.decode(Settings.self)
        == Settings(enabled: true, poll_interval: nil, command_prefix: ["nsenter", "-a"]))
  }

  @Test func noBytesAreAnEmptyBlock() throws {
    #expect(try PluginConfiguration(messagePack: [], agent: nil).decode(Settings.self) == Settings())
  }

  @Test func aWrongTypeIsNamed() throws {
    let error = #expect(throws: ConfigurationError.self) {
      try plugin(["enabled": "yes"]).decode(Settings.self)
    }
    #expect(
      error?.description
        == #"invalid plugin configuration: enabled: expected a boolean, found the string "yes""#)
  }

  @Test func soIsAnElementOfAList() throws {
    let error = #expect(throws: ConfigurationError.self) {
      try plugin(["command_prefix": ["a", 5]]).decode(Settings.self)
    }
    #expect(
      error?.description
        == "invalid plugin configuration: command_prefix[1]: expected a string, found the integer 5")
  }

  @Test func soIsAMissingAttribute() throws {
    let error = #expect(throws: ConfigurationError.self) { try task([0x80]).decodeDriverConfig(Task.self) }
    #expect(error?.description == "invalid task configuration: unit: required, but missing")
    let null = try MessagePackEncoder().encode(["unit": nil])
    let second = #expect(throws: ConfigurationError.self) { try task(null).decodeDriverConfig(Task.self) }
    #expect(second?.description.hasPrefix("invalid task configuration: unit: ") == true)
  }

  @Test func bytesThatAreNoMessagePack() {
    for bytes: [UInt8] in [[0xc1], [0x81], [0x80, 0x80], [0xdf, 0xff, 0xff, 0xff, 0xff]] {
      let error = #expect(throws: ConfigurationError.self) { try task(bytes).decodeDriverConfig(Task.self) }
      #expect(
        error?.description.hasPrefix("invalid task configuration: malformed MessagePack at byte ") == true)
    }
  }

  @Test func aValueThatIsNoMap() {
    let error = #expect(throws: ConfigurationError.self) { try task([0x05]).decodeDriverConfig(Task.self) }
    #expect(error?.description.hasPrefix("invalid task configuration: expected a map") == true)
  }

  @Test func driversCanSayMore() {
    #expect(
      ConfigurationError(attribute: "poll_interval", problem: "must be at least 100ms, found \"1ms\"")
        .description
        == "poll_interval: must be at least 100ms, found \"1ms\"")
  }
}
