import MessagePack
import NomadPlugin
import Foundation
import NomadTestSupport
import TestHelpers
import Testing

/// StopTask, whatever the unit is doing.
@Suite(.needsSystemd, .limitedParallelism) struct StopTests {
  @Test func whileTheUnitIsStarting() async throws {
    let unit = try await Units.make("t-longoneshot")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        try await task.calls.stopTask(task.id, timeout: .seconds(300))
        _ = try await task.wait()
        let state = try await Units.property("ActiveState", of: unit)
        #expect(state == "failed" || state == "inactive")
      }
    }
  }

  @Test func whileTheUnitWaitsToBeRestarted() async throws {
    let unit = try await Units.install(
      "[Service]", "Restart=always", "RestartSec=1h", "ExecStart=/bin/sh -c 'sleep 0.1; exit 1'")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        try await eventually("auto-restart") {
          try await Units.property("SubState", of: unit) == "auto-restart"
        }
        let state = try await task.inspect().state
        #expect(state == .running)
        try await task.calls.stopTask(task.id, timeout: .seconds(300))
        _ = try await task.wait()
        let subState = try await Units.property("SubState", of: unit)
        #expect(subState != "auto-restart")
      }
    }
  }

  @Test func whileTheUnitIsStopping() async throws {
    let unit = try await Units.make("t-stubborn")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        try await eventually("the unit's trap") { task.allocation.lines.contains("ready") }
        try await Units.systemctl("stop", "--no-block", unit)
        try await eventually("stopping") {
          try await Units.property("ActiveState", of: unit) == "deactivating"
        }
        let state = try await task.inspect().state
        #expect(state == .running)
        try await task.calls.stopTask(task.id, timeout: .milliseconds(200))
        let result = try await task.wait()
        #expect(result.signal == 9)
      }
    }
  }

  /// Few `systemctl stop` run at once; the time that a job gives its unit begins when that has been asked to stop.
  @Test func aUnitThatWaitsForItsTurnIsNotKilledBefore() async throws {
    let other = try await Units.make("t-sleep")
    let unit = try await Units.make("t-term")
    let hangs = "case \"$*\" in *\" stop \"*\(other)) exec sleep infinity;; esac; exec systemctl \"$@\""
    try await withScript(hangs) { systemctl in
      try await Nomad.run(["systemctl_path": .string(systemctl)]) { nomad in
        try await nomad.withEvents { events in
          try await nomad.withTask(other) { other in
            try await nomad.withTask(unit) { task in
              try await eventually("the unit's trap") { task.allocation.lines.contains("ready") }
              try await withThrowingTaskGroup(of: Void.self) { group in
                // Of 96 stops eight begin each second, so that the turn of this one comes in twelve.
                for _ in 0..<96 {
                  group.addTask { try await nomad.calls.stopTask(other.id, timeout: .seconds(300)) }
                }
                defer { group.cancelAll() }
                try await eventually("all stops") {
                  events.all.count { $0.taskID == other.id && $0.message.contains("Stopping") } == 96
                }
                try await task.calls.stopTask(task.id, timeout: .seconds(8))
              }
              let result = try await task.wait()
              let lines = try await task.allocation.allLines()
              #expect(result.signal == 0 && lines.contains("got TERM"), "\(result), \(lines)")
            }
          }
        }
      }
    }
  }

  @Test func aUnitThatHasFailed() async throws {
    try await Nomad.run { nomad in
      try await nomad.withTask(try await Units.make("t-exit7")) { task in
        _ = try await task.wait()
        try await task.calls.stopTask(task.id, timeout: .seconds(1))
        let exitCode = try await task.wait().exitCode
        #expect(exitCode == 7)
      }
    }
  }

  @Test func aUnitWhoseFileIsGone() async throws {
    let unit = try await Units.install("[Service]", "ExecStart=/bin/sleep infinity")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        try Units.removeFile(of: unit)
        try await Units.systemctl("daemon-reload")
        try await task.calls.stopTask(task.id, timeout: .seconds(300))
        let result = try await task.wait()
        #expect(result.exitCode == 0, "\(result)")
        let state = try await Units.property("ActiveState", of: unit)
        #expect(state == "inactive")
      }
    }
  }

  /// The signal ends the main process, and systemd would start it again.
  @Test func aSignalToAUnitThatSystemdRestarts() async throws {
    let unit = try await Units.install(
      "[Service]", "Restart=always", "RestartSec=1h",
      "ExecStart=/bin/sh -c 'trap \"echo got it; exit 0\" USR1; echo ready; while :; do sleep 0.05; done'")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        try await eventually("the unit's trap") { task.allocation.lines.contains("ready") }
        // Only the end of the main process ends the wait.
        try await task.calls.stopTask(task.id, timeout: .seconds(3600), signal: "SIGUSR1")
        _ = try await task.wait()
        let lines = try await task.allocation.allLines()
        #expect(lines.contains("got it"))
      }
    }
  }

  @Test func aSignalThatIsNone() async throws {
    try await Nomad.run { nomad in
      try await nomad.withTask(try await Units.make("t-sleep")) { task in
        try await task.calls.stopTask(task.id, timeout: .seconds(300), signal: "SIGNONSENSE")
        let exitCode = try await task.wait().exitCode
        #expect(exitCode == 0)
      }
    }
  }

  @Test func whatCouldStartItAgainIsNamed() async throws {
    let socket = try await Units.install("[Socket]", "ListenStream=/run/NAME.sock", suffix: "socket")
    let unit = socket.replacingOccurrences(of: ".socket", with: ".service")
    try Units.write(["[Service]", "ExecStart=/bin/sleep infinity"], to: unit)
    try await Units.systemctl("daemon-reload")
    try await Units.systemctl("start", socket)
    try await Nomad.run { nomad in
      try await nomad.withEvents { events in
        try await nomad.withTask(unit) { task in
          try await task.calls.stopTask(task.id, timeout: .seconds(300))
          let event = try await events.event(with: "can be started again by")
          #expect(event.message.contains(socket))
        }
      }
    }
    try await Units.systemctl("stop", socket)
  }
}
