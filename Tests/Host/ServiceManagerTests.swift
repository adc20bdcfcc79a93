import Foundation
import NomadPlugin
import NomadTestSupport
import TestHelpers
import Testing

/// What becomes of tasks when something happens to systemd itself.
extension HostTests {
  /// PID 1 executes itself anew, or reads all files anew, while units start and stop: `systemctl` loses its connection.
  @Test(arguments: ["daemon-reexec", "daemon-reload"]) func theManagerBeginsAnew(verb: String) async throws {
    let steady = try await NumberedLines.install(portion: 10)
    try await Nomad.run { nomad in
      try await nomad.withTask(steady) { task in
        for type in ["simple", "exec", "notify", "oneshot"] {
          let program =
            type == "notify"
            ? "sleep 0.3; systemd-notify --ready; exec sleep infinity" : "exec sleep infinity"
          try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
              group.addTask {
                let unit = try await Units.install(
                  "[Service]", "Type=\(type)", "NotifyAccess=all", "ExecStart=/bin/sh -c '\(program)'")
                for _ in 0..<3 { try await self.startAndStop(unit, nomad) }
              }
            }
            group.addTask {
              for _ in 0..<6 {
                try await Units.systemctl(verb)
                try await Task.sleep(for: .milliseconds(200))
              }
            }
            try await group.waitForAll()
          }
        }
        let state = try await task.inspect().state
        #expect(state == .running)
        try Units.go(steady)
        let exitCode = try await task.wait().exitCode
        #expect(exitCode == 0)
        let lines = try await task.allocation.allLines()
        #expect(NumberedLines.areComplete(lines))
      }
      try await eventually("the end of all children") { nomad.childProcesses.isEmpty }
      let health = try await nomad.firstFingerprint().health
      #expect(health == .healthy)
    }
  }

  /// Starts a unit as a task, and stops it when it runs.
  private func startAndStop(_ unit: String, _ nomad: Nomad) async throws {
    let allocation = try Allocation(unit: unit)
    defer { allocation.remove() }
    let id = allocation.config.id
    // Nomad tries again, by the job's restart policy.
    try await eventually("the start of \(unit)") {
      do {
        _ = try await nomad.calls.startTask(allocation.config)
        return true
      } catch DriverError.recoverable(let text) {
        #expect(text.contains(unit))
        return false
      }
    }
    try await eventually("the run of \(unit)") {
      let status = try await nomad.calls.inspectTask(id)
      return status.driverAttributes["main_pid"] != nil || status.state != .running
    }
    // So it does where a stop fails.
    try await eventually("the stop of \(unit)") {
      do {
        try await nomad.calls.stopTask(id, timeout: .seconds(300))
        return true
      } catch DriverError.recoverable(let text) {
        #expect(text.contains(unit))
        return false
      }
    }
    _ = try await nomad.calls.waitTask(id)
    // This systemctl may lose its connection as well, and says nothing then.
    var state = ""
    while state.isEmpty { state = try await Units.property("ActiveState", of: unit) }
    #expect(["inactive", "failed"].contains(state))
    try await nomad.calls.destroyTask(id, force: false)
  }

  /// root's systemctl does without D-Bus.
  @Test func aRestartOfDBus() async throws {
    let unit = try await NumberedLines.install(portion: 10)
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        for signal in ["KILL", "TERM"] {
          try await Units.systemctl("kill", "--signal=\(signal)", "dbus.service")
          try await eventually("the end of D-Bus") {
            try await Units.property("MainPID", of: "dbus.service") == "0"
          }
          try await self.startAndStop(try await Units.make("t-sleep"), nomad)
          try await Units.systemctl("restart", "dbus.service")
          try await self.startAndStop(try await Units.make("t-sleep"), nomad)
          let count = task.allocation.lines.count
          try await eventually("more lines") { task.allocation.lines.count > count + 100 }
        }
        try Units.go(unit)
        _ = try await task.wait()
        let lines = try await task.allocation.allLines()
        #expect(NumberedLines.areComplete(lines))
      }
    }
  }
}
