import Foundation
import MessagePack
import NomadPlugin
import NomadTestSupport
import TestHelpers
import Testing

/// What is wrong is told, by name and with the way out, and the plugin serves on.
@Suite(.needsSystemd, .limitedParallelism) struct BadInputTests {
  /// Starts a task that cannot be started.
  private func failure(
    _ config: MessagePackValue, _ configuration: MessagePackValue = [:]
  ) async throws -> DriverError {
    try await Nomad.run(configuration) { nomad in
      let allocation = try Allocation(unit: "", driverConfig: config)
      defer { allocation.remove() }
      let error = await #expect(throws: DriverError.self) {
        try await nomad.calls.startTask(allocation.config)
      }
      await #expect(throws: DriverError.taskNotFound) { try await nomad.calls.waitTask(allocation.config.id) }
      try await eventually("the end of all children") { nomad.childProcesses.isEmpty }
      let name = try await nomad.calls.pluginInfo().name
      #expect(name == "systemd")
      return try #require(error)
    }
  }

  @Test func unknownUnit() async throws {
    let error = try await self.failure(["unit": "no-such-unit"])
    guard case .unrecoverable(let text) = error else { return #expect(Bool(false), "\(error)") }
    #expect(text.contains("no-such-unit.service") && text.contains("list-unit-files"))
  }

  @Test func maskedUnit() async throws {
    let unit = try await Units.make("t-masked")
    let error = try await self.failure(["unit": .string(unit)])
    guard case .unrecoverable(let text) = error else { return #expect(Bool(false), "\(error)") }
    #expect(text.contains(unit) && text.contains("systemctl unmask"))
  }

  @Test func unitFileWithAnError() async throws {
    let unit = try await Units.make("t-bad")
    let error = try await self.failure(["unit": .string(unit)])
    guard case .unrecoverable(let text) = error else { return #expect(Bool(false), "\(error)") }
    #expect(text.contains(unit) && text.contains("systemd-analyze verify"))
  }

  @Test(arguments: ["", "--now", "a b", "web@.service", "a*", "/etc/passwd", "ü.service", "a\nb", "a\0b"])
  func badName(name: String) async throws {
    let error = try await self.failure(["unit": .string(name)])
    guard case .unrecoverable(let text) = error else { return #expect(Bool(false), "\(error)") }
    #expect(text.contains("unit"))
  }

  @Test func missingAndMistypedAttribute() async throws {
    #expect(try await self.failure([:]).description.contains("unit"))
    #expect(try await self.failure(["unit": nil]).description.contains("unit"))
    #expect(try await self.failure(["unit": 5]).description.contains("unit: expected a string"))
  }

  @Test func configurationThatDoesNotDecode() async throws {
    try await Nomad.run { nomad in
      let allocation = try Allocation(unit: "x")
      defer { allocation.remove() }
      let config = allocation.config.with(driverConfig: [0xc1, 0x00])
      let error = await #expect(throws: DriverError.self) { try await nomad.calls.startTask(config) }
      guard case .unrecoverable? = error else { return #expect(Bool(false), "\(String(describing: error))") }
    }
  }

  @Test func everyCallForATaskNobodyKnows() async throws {
    try await Nomad.run { nomad in
      let calls = nomad.calls
      await #expect(throws: DriverError.taskNotFound) { try await calls.waitTask("x") }
      await #expect(throws: DriverError.taskNotFound) { try await calls.stopTask("x", timeout: .seconds(1)) }
      await #expect(throws: DriverError.taskNotFound) { try await calls.destroyTask("x", force: true) }
      await #expect(throws: DriverError.taskNotFound) { try await calls.inspectTask("x") }
      await #expect(throws: DriverError.taskNotFound) { try await calls.signalTask("x", signal: "SIGHUP") }
      await #expect(throws: DriverError.taskNotFound) {
        try await calls.taskStats("x", interval: .seconds(1)) { _ in }
      }
    }
  }

  @Test(
    arguments: [
      (["poll_interval": "0s"], "poll_interval"), (["poll_interval": "often"], "poll_interval"),
      (["systemctl_path": "systemctl"], "systemctl_path"), (["enabled": "maybe"], "enabled"),
      (["command_prefix": [""]], "command_prefix"), (["command_prefix": 1], "command_prefix"),
    ] as [(MessagePackValue, String)])
  func badPluginConfiguration(configuration: MessagePackValue, attribute: String) async throws {
    try await Nomad.run(nil) { nomad in
      let error = await #expect(throws: (any Error).self) { try await nomad.configure(configuration) }
      #expect("\(try #require(error))".contains(attribute))
      try await nomad.configure([:])
    }
  }

  @Test func noConfigurationYet() async throws {
    try await Nomad.run(nil) { nomad in
      let allocation = try Allocation(unit: "x")
      defer { allocation.remove() }
      await #expect(throws: DriverError.self) { try await nomad.calls.startTask(allocation.config) }
    }
  }

  @Test func systemctlIsMissing() async throws {
    let configuration: MessagePackValue = ["systemctl_path": "/nonexistent/systemctl"]
    let error = try await self.failure(["unit": "x"], configuration)
    #expect(
      error.description.contains("/nonexistent/systemctl") && error.description.contains("systemctl_path"))
    try await Nomad.run(configuration) { nomad in
      let health = try await nomad.firstFingerprint().health
      #expect(health == .undetected)
    }
  }

  @Test func systemdIsNotRunning() async throws {
    let script = """
      echo 'System has not been booted with systemd as init system (PID 1). Can'"'"'t operate.' >&2
      echo 'Failed to connect to bus: Host is down' >&2
      exit 1
      """
    try await withScript(script) { path in
      let configuration: MessagePackValue = ["systemctl_path": .string(path)]
      let error = try await self.failure(["unit": "x"], configuration)
      guard case .recoverable(let text) = error else { return #expect(Bool(false), "\(error)") }
      #expect(text.contains("not been booted with systemd") && text.contains("command_prefix"))
      try await Nomad.run(configuration) { nomad in
        let health = try await nomad.firstFingerprint().health
        #expect(health == .unhealthy)
      }
    }
  }

  @Test func systemctlHangs() async throws {
    try await withScript("exec sleep infinity") { path in
      try await Nomad.run(["systemctl_path": .string(path)]) { nomad in
        let allocation = try Allocation(unit: "x")
        defer { allocation.remove() }
        // The time limit answers a call that waits, and a call that is cancelled leaves no process behind.
        let call = Task { try await nomad.calls.startTask(allocation.config) }
        // Called at the same time they would share a command.
        try await eventually("a command") { !nomad.childProcesses.isEmpty }
        let cancelled = Task { try await nomad.calls.startTask(TaskConfig(id: "other").with(unit: "y")) }
        try await eventually("two commands") { nomad.childProcesses.count >= 2 }
        cancelled.cancel()
        let name = try await nomad.calls.pluginInfo().name
        #expect(name == "systemd")
        let error = await #expect(throws: DriverError.self) { try await call.value }
        let text = try #require(error).description
        #expect(text.contains("did not end within") && text.contains("is-system-running"))
        try await eventually("the end of all children") { nomad.childProcesses.isEmpty }
      }
    }
  }

  @Test func whatIsThereInsteadOfTheLogs() async throws {
    try await Nomad.run { nomad in
      let unit = try await Units.make("t-lines")
      let allocation = try Allocation(unit: unit)
      defer { allocation.remove() }
      let path = allocation.config.stdoutPath
      allocation.endCollector()
      try FileManager.default.removeItem(atPath: path)
      let victim = "\(allocation.config.allocationDirectory)/victim"
      try Data("untouched".utf8).write(to: URL(fileURLWithPath: victim))
      try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: victim)
      let link = await #expect(throws: DriverError.self) {
        try await nomad.calls.startTask(allocation.config)
      }
      #expect(link?.description.contains("symbolic link") == true)
      try FileManager.default.removeItem(atPath: path)
      try FileManager.default.moveItem(atPath: victim, toPath: path)
      let file = await #expect(throws: DriverError.self) {
        try await nomad.calls.startTask(allocation.config)
      }
      #expect(file?.description.contains("not a FIFO") == true)
      #expect(try String(contentsOfFile: path, encoding: .utf8) == "untouched")
      let activity = try await Units.systemctl("is-active", unit)
      #expect(activity == "inactive\n")
    }
  }
}

extension TaskConfig {
  fileprivate func with(driverConfig: [UInt8]) -> TaskConfig {
    var config = self
    config.driverConfig = driverConfig
    return config
  }

  fileprivate func with(unit: String) throws -> TaskConfig {
    var config = self
    config.driverConfig = try MessagePackEncoder().encode(["unit": .string(unit)])
    config.stdoutPath = "/dev/null"
    config.stderrPath = "/dev/null"
    return config
  }
}

/// Gives a shell script that exists while `body` runs.
func withScript<R>(_ script: String, _ body: (String) async throws -> R) async throws -> R {
  let path = "\(NSTemporaryDirectory())/script-\(UUID().uuidString)"
  try Data("#!/bin/sh\n\(script)\n".utf8).write(to: URL(fileURLWithPath: path))
  chmod(path, 0o755)
  defer { unlink(path) }
  return try await body(path)
}
