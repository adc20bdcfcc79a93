import MessagePack
import Foundation
import GoPlugin
import NomadPlugin
import NomadTestSupport
import Processes
import TestHelpers
import Testing

/// The program as a plugin and as a tool.
@Suite(.limitedParallelism) struct PluginTests {
  private func run(
    _ arguments: String..., environment: [String: String] = [:]
  ) async throws -> (status: Termination, output: String, error: String) {
    let words =
      ["-i"] + environment.map { "\($0.key)=\($0.value)" } + ["PATH=/usr/bin:/bin", program] + arguments
    let output = try await ProcessCommandRunner(logger: quietLogger).run(
      Command(executable: "/usr/bin/env", arguments: words, timeLimit: .seconds(60)))
    return (
      output.result.termination, String(decoding: output.standardOutput, as: UTF8.self),
      String(decoding: output.result.standardError, as: UTF8.self)
    )
  }

  @Test func startedByAPersonItExplainsItself() async throws {
    let (status, output, error) = try await self.run()
    #expect(status == .exited(1))
    #expect(output == "")
    #expect(error.contains(#"plugin "nomad-driver-systemd""#))
    #expect(error.contains("run UNIT"))
  }

  @Test func versionAndHelp() async throws {
    let value = try await self.run("--version").output
    #expect(value == "0.1.0\n")
    #expect(try await self.run("--help").output.contains("run"))
    #expect(try await self.run("run", "--help").output.contains("Ctrl-C"))
  }

  @Test func noProtocolVersionInCommon() async throws {
    let (status, output, error) = try await self.run(
      environment: [cookie.key: cookie.value, "PLUGIN_PROTOCOL_VERSIONS": "7"])
    #expect(status == .exited(1))
    #expect(output == "")
    #expect(error.contains("7") && error.contains("2"))
  }

  @Test func whatItIs() async throws {
    try await Nomad.run(nil) { nomad in
      let info = try await nomad.calls.pluginInfo()
      #expect(info.name == "systemd")
      #expect(info.version == "0.1.0")
      #expect(info.apiVersions == ["0.1.0"])
      let capabilities = try await nomad.calls.capabilities()
      #expect(
        capabilities.sendSignals && capabilities.exec == (geteuid() == 0) && !capabilities.supportsMounts)
      #expect(capabilities.filesystemIsolation == .none)
      #expect(capabilities.networkIsolationModes == [.host])
      guard case .object(let taskOptions) = try await nomad.calls.taskConfigurationSchema() else {
        return #expect(Bool(false), "the schema is an object")
      }
      #expect(
        Set(taskOptions.keys) == [
          "unit", "on_active", "on_stop", "logs", "disable_log_collection", "signal_to",
        ])
      guard case .object(let options) = try await nomad.calls.configurationSchema() else {
        return #expect(Bool(false), "the schema is an object")
      }
      #expect(
        Set(options.keys) == [
          "enabled", "systemctl_path", "journalctl_path", "command_prefix", "poll_interval",
          "disable_log_collection", "exec", "record_dir", "record_limit", "replay", "replay_speed",
          "allowed_units", "denied_units", "unprotected_units", "allowed_unit_types", "policy",
        ])
    }
  }

  @Test func disabled() async throws {
    try await Nomad.run(["enabled": false]) { nomad in
      let fingerprint = try await nomad.firstFingerprint()
      #expect(fingerprint.health == .undetected)
      #expect(fingerprint.healthDescription.contains("disabled"))
    }
  }

  @Test(.needsSystemd) func healthy() async throws {
    try await Nomad.run { nomad in
      let fingerprint = try await nomad.firstFingerprint()
      #expect(fingerprint.health == .healthy)
      #expect(fingerprint.attributes["driver.systemd"] == true)
      #expect(fingerprint.attributes["driver.systemd.plugin_version"] == "0.1.0")
      guard case .string(let version)? = fingerprint.attributes["driver.systemd.version"] else {
        return #expect(Bool(false), "systemd's version is an attribute")
      }
      #expect((Int(version) ?? 0) >= 247)
    }
  }

  @Test func signalsAndShutdown() async throws {
    try await Nomad.run { nomad in
      kill(nomad.pluginProcess, SIGINT)
      kill(nomad.pluginProcess, SIGPIPE)
      let name = try await nomad.calls.pluginInfo().name
      #expect(name == "systemd")
    }
    // Nomad.run throws if the plugin has to be killed or ends by itself.
    await #expect(throws: PluginHostError.self) {
      try await Nomad.run { nomad in
        kill(nomad.pluginProcess, SIGTERM)
        try await eventually("the end of the plugin") { kill(nomad.pluginProcess, 0) != 0 }
        _ = try await nomad.calls.pluginInfo()
      }
    }
  }

  @Test(.needsSystemd, arguments: [("t-lines", 0), ("t-exit7", 7)] as [(String, Int32)])
  func runCommand(template: String, status: Int32) async throws {
    let unit = try await Units.make(template)
    let result = try await self.run("run", unit)
    #expect(result.status == .exited(status))
    #expect(result.output == (template == "t-lines" ? "line 1\nline 2\nline 3\n" : "bad\n"))
    #expect(result.error.contains("==> Started \(unit)"))
    #expect(result.error.contains("exit code \(status)"))
  }

  @Test(.needsSystemd) func runCommandOfAUnitThatIsNotThere() async throws {
    let result = try await self.run("run", "no-such-unit")
    #expect(result.status == .exited(1))
    #expect(result.error.contains("no-such-unit.service"))
  }

  @Test(.needsSystemd, arguments: [("t-term", 1, 0), ("t-stubborn", 2, 137)] as [(String, Int, Int32)])
  func interruptingTheRunCommand(template: String, interrupts: Int, status: Int32) async throws {
    let unit = try await Units.make(template)
    // The first Ctrl-C stops, the second kills; each is given when the one before shows its effect.
    let script = """
      \(program) run --kill-timeout 300 \(unit) > $0.out 2> $0.err & pid=$!
      until grep -q ready $0.out; do sleep 0.02; done
      kill -INT $pid
      if [ \(interrupts) = 2 ]; then
        until grep -q Stopping $0.err; do sleep 0.02; done
        kill -INT $pid
      fi
      wait $pid; status=$?; cat $0.out; rm -f $0.out $0.err; exit $status
      """
    let files = "\(NSTemporaryDirectory())/run-\(UUID().uuidString)"
    let output = try await ProcessCommandRunner(logger: quietLogger).run(
      Command(executable: "/bin/bash", arguments: ["-mc", script, files], timeLimit: .seconds(60)))
    #expect(output.result.termination == .exited(status))
  }
}
