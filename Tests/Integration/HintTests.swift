import AsyncPrimitives
import Foundation
import MessagePack
import NomadPlugin
import NomadTestSupport
import TestHelpers
import Testing

/// What systemd says about a unit in the journal is a hint to poll it, also if no logs are collected. The next regular
/// poll would come too late for these tests.
@Suite(.needsSystemd, .limitedParallelism) struct HintTests {
  /// Why no logs are collected.
  enum LogsOff: CaseIterable {
    case taskOption, pluginOption, nullPaths
  }

  /// A task without logs, and the plugin's configuration.
  private struct Setting: Sendable {
    let unit: String
    let configuration: MessagePackValue
    let allocation: Allocation
    let task: TaskConfig

    init(_ unit: String, _ logsOff: LogsOff) throws {
      self.unit = unit
      self.configuration = [
        "poll_interval": "60s", "disable_log_collection": .bool(logsOff == .pluginOption),
      ]
      self.allocation = try Allocation(
        unit: unit,
        driverConfig: ["unit": .string(unit), "disable_log_collection": .bool(logsOff == .taskOption)])
      var task = self.allocation.config
      if logsOff == .nullPaths { (task.stdoutPath, task.stderrPath) = ("/dev/null", "/dev/null") }
      self.task = task
    }

    /// Starts the task or takes it up, and destroys it after `body`.
    func run(
      recovering handle: TaskHandle? = nil, _ body: @Sendable (Nomad, TaskEvents) async throws -> Void
    ) async throws {
      try await Nomad.run(self.configuration) { nomad in
        try await nomad.withEvents { events in
          if let handle {
            try await nomad.calls.recoverTask(handle)
          } else {
            _ = try await nomad.calls.startTask(self.task)
          }
          try await body(nomad, events)
          try await nomad.calls.destroyTask(self.task.id, force: true)
        }
        try await eventually("the end of all children") { nomad.childProcesses.isEmpty }
      }
      #expect(self.allocation.bytes == [])
    }

    /// Waits for a condition that a hint brings about.
    func soon(_ what: String, _ condition: () async throws -> Bool) async throws {
      try await eventually(what, within: .seconds(30), condition)
    }
  }

  private func installTimer() async throws -> String {
    let unit = try await Units.install("[Timer]", "OnActiveSec=1h", suffix: "timer")
    try Units.write(
      ["[Service]", "ExecStart=/bin/true"], to: unit.replacingOccurrences(of: ".timer", with: ".service"))
    try await Units.systemctl("daemon-reload")
    return unit
  }

  @Test(arguments: LogsOff.allCases) func aRestartBySystemdIsAnEvent(logsOff: LogsOff) async throws {
    let unit = try await Units.install(
      "[Service]", "Restart=always", "RestartSec=500ms",
      "ExecStart=/bin/sh -c 'echo line; until test -e /run/NAME.go; do sleep 0.02; done; rm /run/NAME.go'")
    let setting = try Setting(unit, logsOff)
    defer { setting.allocation.remove() }
    try await setting.run { nomad, events in
      for count in 1...2 {
        try Units.go(unit)
        try await setting.soon("restart \(count)") {
          // systemd can count a restart twice while other tests reload it.
          events.all.filter { $0.message.contains("systemd restarted \(unit)") }.count >= count
        }
      }
      let state = try await nomad.calls.inspectTask(setting.task.id).state
      #expect(state == .running)
    }
  }

  /// A timer has no process whose end the kernel reports.
  @Test(arguments: LogsOff.allCases) func theEndOfATimerIsReported(logsOff: LogsOff) async throws {
    let setting = try Setting(try await self.installTimer(), logsOff)
    defer { setting.allocation.remove() }
    try await setting.run { nomad, _ in try await self.stopAndWait(setting, nomad) }
  }

  @Test(arguments: LogsOff.allCases) func theEndOfARecoveredTimerIsReported(logsOff: LogsOff) async throws {
    let setting = try Setting(try await self.installTimer(), logsOff)
    defer { setting.allocation.remove() }
    let started = Promise<TaskHandle>()
    _ = try? await Nomad.run(setting.configuration) { nomad in
      started.fulfil(try await nomad.calls.startTask(setting.task))
      kill(nomad.pluginProcess, SIGKILL)
    }
    let handle: TaskHandle = try #require(started.current)
    try await setting.run(recovering: handle) { nomad, _ in
      // The first poll has been answered: the end is not seen by that one.
      let state = try await nomad.calls.inspectTask(setting.task.id).driverAttributes["active_state"]
      #expect(state == "active")
      try await self.stopAndWait(setting, nomad)
    }
  }

  /// Stops the unit beside the driver, and waits until the task has ended.
  private func stopAndWait(_ setting: Setting, _ nomad: Nomad) async throws {
    try await Units.systemctl("stop", setting.unit)
    try await setting.soon("the end") {
      try await nomad.calls.inspectTask(setting.task.id).state == .exited
    }
    let result = try await nomad.calls.waitTask(setting.task.id)
    #expect(result.exitCode == 0 && result.message == nil)
  }
}
