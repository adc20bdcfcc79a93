import MessagePack
import Foundation
import NomadPlugin
import NomadTestSupport
import TestHelpers
import Testing

/// SignalTask: signals by all their names, to each of a unit's processes.
@Suite(.needsSystemd, .limitedParallelism) struct SignalTests {
  private func recoverable(_ body: () async throws -> Void) async throws -> String {
    let error = await #expect(throws: DriverError.self) { try await body() }
    guard case .recoverable(let text)? = error else {
      Issue.record("\(String(describing: error))")
      return ""
    }
    return text
  }

  private func unrecoverable(_ body: () async throws -> Void) async throws -> String {
    let error = await #expect(throws: DriverError.self) { try await body() }
    guard case .unrecoverable(let text)? = error else {
      Issue.record("\(String(describing: error))")
      return ""
    }
    return text
  }

  @Test func theCapabilityIsOn() async throws {
    try await Nomad.run { nomad in
      let capabilities = try await nomad.calls.capabilities()
      #expect(capabilities.sendSignals)
    }
  }

  @Test func everyWayToNameASignal() async throws {
    // 37 is RTMIN+3: the C library keeps two for itself.
    let unit = try await Units.install(
      "[Service]",
      "ExecStart=/bin/sh -c 'trap \"echo HUP\" HUP; trap \"echo RT\" 37; echo ready; while :; do sleep 0.05; done'"
    )
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        try await eventually("the unit's traps") { task.allocation.lines.contains("ready") }
        for (count, name) in ["SIGHUP", "HUP", "1"].enumerated() {
          try await task.calls.signalTask(task.id, signal: name)
          try await eventually(name) {
            task.allocation.lines.filter { $0 == "HUP" }.count == count + 1
          }
        }
        for (count, name) in ["SIGRTMIN+3", "RTMIN+3", "37"].enumerated() {
          try await task.calls.signalTask(task.id, signal: name)
          try await eventually(name) { task.allocation.lines.filter { $0 == "RT" }.count == count + 1 }
        }
        try await task.calls.signalTask(task.id, signal: "SIGKILL")
        let result = try await task.wait()
        #expect(result.exitCode == 137 && result.signal == 9, "\(result)")
      }
    }
  }

  private static let withAChild = [
    "[Service]",
    "ExecStart=/bin/sh -c '(trap \"echo child\" USR1; echo child is ready; while :; do sleep 0.05; done) & "
      + "trap \"echo main\" USR1; echo main is ready; while :; do sleep 0.05; done'",
  ]

  @Test(arguments: ["main", "all"]) func whoGetsIt(signalTo: String) async throws {
    let unit = try await Units.install(Self.withAChild[0], Self.withAChild[1])
    try await Nomad.run { nomad in
      try await nomad.withTask(unit, ["signal_to": .string(signalTo)]) { task in
        try await eventually("the traps") {
          task.allocation.lines.contains("main is ready") && task.allocation.lines.contains("child is ready")
        }
        try await task.calls.signalTask(task.id, signal: "SIGUSR1")
        try await eventually("the main process's line") { task.allocation.lines.contains("main") }
        if signalTo == "all" {
          try await eventually("the child's line") { task.allocation.lines.contains("child") }
        } else {
          // A second one that the child does get shows that it did not get the first.
          try await Units.systemctl("kill", "--signal=USR1", unit)
          try await eventually("the child's line") { task.allocation.lines.contains("child") }
          try await task.calls.stopTask(task.id, timeout: .seconds(300))
          let lines = try await task.allocation.allLines()
          #expect(lines.filter { $0 == "child" }.count == 1)
        }
      }
    }
  }

  @Test func theControlProcess() async throws {
    let unit = try await Units.install(
      "[Service]", "ExecStart=/bin/sleep infinity",
      "ExecReload=/bin/sh -c 'trap \"echo control; exit 0\" USR1; echo ready; while :; do sleep 0.05; done'")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit, ["signal_to": "control"]) { task in
        let text = try await self.recoverable {
          try await task.calls.signalTask(task.id, signal: "SIGUSR1")
        }
        #expect(
          text.contains("No control process to kill") && text.contains(#"signal_to = "control""#), "\(text)")
        try await Units.systemctl("reload", "--no-block", unit)
        try await eventually("the trap") { task.allocation.lines.contains("ready") }
        try await task.calls.signalTask(task.id, signal: "SIGUSR1")
        try await eventually("the line") { task.allocation.lines.contains("control") }
        try await eventually("the end of the reload") {
          try await Units.property("ActiveState", of: unit) == "active"
        }
      }
    }
  }

  @Test(arguments: ["SIGNONSENSE", "hup", "0", "65", "-1", "", "list", "SIGHUP\n", "9 9", "RTMIN+99"])
  func whatIsNoSignal(signal: String) async throws {
    try await Nomad.run { nomad in
      try await nomad.withTask(try await Units.make("t-sleep")) { task in
        let text = try await self.unrecoverable {
          try await task.calls.signalTask(task.id, signal: signal)
        }
        #expect(text.contains("kill -l"), "\(text)")
        let state = try await task.inspect().state
        #expect(state == .running)
      }
    }
  }

  @Test(arguments: ["main", "all"]) func aUnitWithoutProcesses(signalTo: String) async throws {
    let unit = try await Units.make("t-remain")
    let target = try await Units.install("[Unit]", "Description=A target", suffix: "target")
    try await Nomad.run { nomad in
      for unit in [unit, target] {
        try await nomad.withTask(unit, ["signal_to": .string(signalTo)]) { task in
          let text = try await self.recoverable {
            try await task.calls.signalTask(task.id, signal: "SIGHUP")
          }
          #expect(text.contains(unit) && text.contains("signal_to = \"\(signalTo)\""), "\(text)")
        }
      }
    }
  }

  @Test func aTaskThatHasEnded() async throws {
    try await Nomad.run { nomad in
      try await nomad.withTask(try await Units.make("t-exit7")) { task in
        _ = try await task.wait()
        let text = try await self.unrecoverable { try await task.calls.signalTask(task.id, signal: "SIGHUP") }
        #expect(text.contains("ended"), "\(text)")
      }
    }
  }
}
