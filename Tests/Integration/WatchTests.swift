import MessagePack
import NomadPlugin
import Foundation
import NomadTestSupport
import TestHelpers
import Testing

/// What happens to a unit while it is a task's.
@Suite(.needsSystemd, .limitedParallelism) struct WatchTests {
  @Test func aRestartBySystemdIsAnEvent() async throws {
    try await Nomad.run { nomad in
      try await nomad.withEvents { events in
        try await nomad.withTask(try await Units.make("t-restart")) { _ in
          let event = try await events.event(with: "systemd restarted")
          #expect(event.annotations["invocation_id"]?.count == 32)
          #expect(!events.all.contains { $0.message.contains("somebody else") })
        }
      }
    }
  }

  @Test func aRestartBySomebodyElseIsAnEvent() async throws {
    let unit = try await Units.make("t-sleep")
    try await Nomad.run { nomad in
      try await nomad.withEvents { events in
        try await nomad.withTask(unit) { task in
          let first = try await task.inspect().driverAttributes["invocation_id"]
          try await Units.systemctl("restart", unit)
          try await events.event(with: "was restarted by somebody else")
          let second = try await task.inspect().driverAttributes["invocation_id"]
          #expect(first != second)
          let state = try await task.inspect().state
          #expect(state == .running)
          // Its end is the task's.
          try await Units.systemctl("stop", unit)
          let exitCode = try await task.wait().exitCode
          #expect(exitCode == 0)
        }
      }
    }
  }

  @Test func aStopBySomebodyElseIsAnEnd() async throws {
    let unit = try await Units.make("t-sleep")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        try await Units.systemctl("stop", unit)
        let result = try await task.wait()
        #expect(result.exitCode == 0 && result.message == nil)
      }
    }
  }

  @Test func aFileThatWasChangedIsReported() async throws {
    let lines = [
      "[Service]", "Restart=always", "RestartSec=10ms", "StartLimitIntervalSec=0",
      "ExecStart=/bin/sleep infinity",
    ]
    let unit = try await Units.install("[Service]", "ExecStart=/bin/true")
    try Units.write(lines, to: unit)
    try await Units.systemctl("daemon-reload")
    try await Nomad.run { nomad in
      try await nomad.withEvents { events in
        try await nomad.withTask(unit) { _ in
          // Tests beside this one have systemd read all files anew.
          try await eventually("the event") {
            try Units.write(lines, to: unit)
            try await Units.systemctl("kill", "--signal=KILL", unit)
            return events.all.contains { $0.message.contains("systemctl daemon-reload") }
          }
        }
      }
    }
  }

  @Test(arguments: [("exit 0", Int32(0)), ("exit 5", 5)])
  func aUnitThatVanishesRunsToItsEnd(script: String, exitCode: Int32) async throws {
    let unit = try await Units.install(
      "[Service]", "ExecStart=/bin/sh -c 'until test -e /run/NAME.go; do sleep 0.02; done; \(script)'")
    try await Nomad.run { nomad in
      try await nomad.withEvents { events in
        try await nomad.withTask(unit) { task in
          try Units.removeFile(of: unit)
          try await Units.systemctl("daemon-reload")
          let loadState = try await Units.property("LoadState", of: unit)
          #expect(loadState == "not-found")
          try await events.event(with: "its file is gone")
          try Units.go(unit)
          let result = try await task.wait()
          #expect(result.exitCode == exitCode)
        }
      }
    }
  }

  /// systemd forgets such a unit at once when it fails.
  @Test func aUnitThatIsForgottenWhenItFails() async throws {
    let unit = try await Units.install(
      "[Unit]", "CollectMode=inactive-or-failed", "[Service]", "ExecStart=/bin/sh -c 'sleep 0.2; exit 9'")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        let exitCode = try await task.wait().exitCode
        #expect(exitCode == 9)
        let status = try await task.inspect()
        let completed = try #require(status.completedAt)
        #expect(abs(completed.timeIntervalSinceNow) < 60)
      }
    }
  }

  @Test func whatSystemctlDoesNotAnswerHasNotHappened() async throws {
    let unit = try await Units.make("t-sleep")
    let fault = "\(NSTemporaryDirectory())/fault-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: fault) }
    let script = "if test -e \(fault); then eval \"$(cat \(fault))\"; fi; exec systemctl \"$@\""
    for trouble in ["exit 1", "echo rubbish; exit 0", "exit 0", "kill -SEGV $$", "exec sleep infinity"] {
      try await withScript(script) { path in
        try await Nomad.run(["systemctl_path": .string(path), "poll_interval": "100ms"]) { nomad in
          try await nomad.withTask(unit) { task in
            let calls = "\(fault).calls"
            defer { try? FileManager.default.removeItem(atPath: calls) }
            try Data("echo x >> \(calls); \(trouble)".utf8).write(
              to: URL(fileURLWithPath: fault), options: .atomic)
            try await eventually("a look that fails") { FileManager.default.fileExists(atPath: calls) }
            let state = try await task.inspect().state
            #expect(state == .running, "\(trouble)")
            try FileManager.default.removeItem(atPath: fault)
            try await Units.systemctl("kill", "--signal=KILL", unit)
            let result = try await task.wait()
            #expect(result.signal == 9, "\(trouble)")
          }
        }
      }
    }
  }

  /// The task is still there, until Nomad destroys it, but systemd is not asked about its unit any more.
  @Test func aUnitThatHasEndedIsNotLookedAt() async throws {
    let log = "\(NSTemporaryDirectory())/calls-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: log) }
    @Sendable func calls(naming unit: String) -> Int {
      let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
      return text.split(separator: "\n").count { $0.contains(unit) }
    }
    try await withScript("echo \"$*\" >> \(log); exec systemctl \"$@\"") { path in
      try await Nomad.run(["systemctl_path": .string(path), "poll_interval": "100ms"]) { nomad in
        let ended = try await Units.make("t-exit7")
        let running = try await Units.make("t-sleep")
        try await nomad.withTask(ended) { task in
          let exitCode = try await task.wait().exitCode
          #expect(exitCode == 7)
          try await nomad.withTask(running) { _ in
            // A look that was under way has ended when the other unit is seen.
            let count = calls(naming: running)
            try await eventually("looks at the other unit") { calls(naming: running) > count + 2 }
            let (first, second) = (calls(naming: ended), calls(naming: running))
            try await eventually("more looks at it") { calls(naming: running) > second + 5 }
            #expect(calls(naming: ended) == first)
          }
        }
      }
    }
  }
}
