import Transcripts
import Systemd
import MessagePack
import NomadPlugin
import Testing

@testable import SystemdDriver

@Suite struct ConfigurationTests {
  private func configuration(_ value: MessagePackValue) throws -> PluginOptions {
    try PluginOptions(
      PluginConfiguration(messagePack: try MessagePackEncoder().encode(value), agent: AgentConfiguration()))
  }

  @Test func defaults() throws {
    let defaults = try self.configuration([:])
    #expect(defaults == PluginOptions())
    #expect(defaults.isEnabled)
    #expect(defaults.pollInterval == .seconds(1))
    #expect(defaults.isExecEnabled)
    #expect(try self.configuration(["exec": nil]) == defaults)
    #expect(try self.configuration(["exec": [:]]) == defaults)
    #expect(try self.configuration(["exec": ["enabled": nil]]) == defaults)
    // Nomad sends what is not set as nil.
    #expect(
      try self.configuration(["systemctl_path": nil, "command_prefix": nil, "enabled": nil]) == defaults)
  }

  @Test func everyOption() throws {
    let all = try self.configuration([
      "enabled": false, "systemctl_path": "/a", "journalctl_path": "/b", "command_prefix": ["x", "-y"],
      "poll_interval": "1m", "exec": ["enabled": false],
    ])
    #expect(!all.isExecEnabled)
    #expect(!all.isEnabled)
    #expect(all.systemctlPath == "/a" && all.journalctlPath == "/b")
    #expect(all.commandPrefix == ["x", "-y"])
    #expect(all.pollInterval == .seconds(60))
  }

  @Test(
    arguments: [
      (["poll_interval": "99ms"], "poll_interval"), (["poll_interval": "61s"], "poll_interval"),
      (["poll_interval": ""], "poll_interval"), (["poll_interval": "-1s"], "poll_interval"),
      (["poll_interval": 1], "poll_interval"), (["systemctl_path": "a"], "systemctl_path"),
      (["journalctl_path": "a/b"], "journalctl_path"), (["command_prefix": ["a", ""]], "command_prefix"),
      (["enabled": "yes"], "enabled"), (["exec": true], "exec"), (["exec": ["enabled": 1]], "exec"),
      (["record_dir": "a"], "record_dir"), (["replay": "a/b"], "replay"),
      (["record_dir": "/a", "replay": "/b"], "replay"),
      (["record_dir": "/a", "record_limit": 0], "record_limit"),
      (["record_limit": 1_048_577], "record_limit"), (["replay_speed": -1], "replay_speed"),
    ] as [(MessagePackValue, String)])
  func refused(value: MessagePackValue, attribute: String) {
    let error = #expect(throws: ConfigurationError.self) { try self.configuration(value) }
    #expect(error?.description.contains(attribute) == true)
  }

  @Test func recordingAndReplaying() throws {
    #expect(try self.configuration([:]).transcript == nil)
    #expect(
      try self.configuration(["record_dir": "/a", "record_limit": 1]).transcript
        == .record(.directory("/a", limit: 1 << 20)))
    #expect(
      try self.configuration(["record_dir": "/a", "replay": nil, "replay_speed": nil]).transcript
        == .record(.directory("/a", limit: 256 << 20)))
    #expect(try self.configuration(["record": "/a"]).transcript == .record(.file("/a")))
    #expect(try self.configuration(["replay": "/a"]).transcript == .replay("/a", .times(1)))
    #expect(
      try self.configuration(["replay": "/a", "replay_speed": 0]).transcript
        == .replay("/a", .asFastAsPossible))
    #expect(
      try self.configuration(["replay": "/a", "replay_speed": 2.5]).transcript == .replay("/a", .times(2.5)))
  }

  private func task(_ value: MessagePackValue) throws -> TaskOptions {
    var config = TaskConfig(id: "x")
    config.driverConfig = try MessagePackEncoder().encode(value)
    return try TaskOptions(config)
  }

  @Test func taskOptions() throws {
    let defaults = try self.task(["unit": "web", "on_active": nil])
    #expect(defaults.unit.name == "web.service")
    #expect(defaults.onActive == .adopt && defaults.onStop == .stop && defaults.signalTo == .main)
    let all = try self.task([
      "unit": "web@1.service", "on_active": "restart", "on_stop": "leave", "signal_to": "all",
    ])
    #expect(all.onActive == .restart && all.onStop == .leave && all.signalTo == .all)
    for (value, attribute) in [
      (["unit": "a", "on_active": "maybe"], "on_active"), (["unit": "a", "on_stop": ""], "on_stop"),
      (["unit": "a", "signal_to": "main-fail"], "signal_to"),
      (["unit": "a*"], "unit"), ([:], "unit"),
    ] as [(MessagePackValue, String)] {
      let error = #expect(throws: ConfigurationError.self) { try self.task(value) }
      #expect(error?.description.contains(attribute) == true)
    }
  }

  @Test(
    arguments: [
      ("1s", .seconds(1)), ("500ms", .milliseconds(500)), ("1m30s", .seconds(90)), ("1.5h", .seconds(5400)),
      ("0", .zero), ("250us", .microseconds(250)), ("7ns", .nanoseconds(7)), ("2µs", .microseconds(2)),
    ] as [(String, Duration)])
  func durations(text: String, duration: Duration) {
    #expect(Duration(goText: text) == duration)
  }

  @Test(arguments: ["", "1", "s", "1x", "1 s", "-1s", "1s2", "1..5s", "99999999999h", "1e3s"])
  func noDurations(text: String) {
    #expect(Duration(goText: text) == nil)
  }
}
