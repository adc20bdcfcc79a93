import MessagePack
import NomadPlugin
import Foundation
import NomadTestSupport
import TestHelpers
import Testing

/// TaskEvents, as Nomad's client and slower ones hear them.
@Suite(.needsSystemd, .limitedParallelism) struct TaskEventTests {
  @Test func annotations() async throws {
    let unit = try await Units.make("t-exit7")
    // The run before is not what the events are about.
    try await Units.systemctl("start", unit)
    try await eventually("the end") { try await Units.property("ActiveState", of: unit) == "failed" }
    try await Units.systemctl("reset-failed", unit)
    let sleeping = try await Units.make("t-sleep")
    // From its start on, nothing is to be seen of the unit but its end.
    let systemctl = """
      case "$*" in
        *" start "*\(unit)) touch "$0.started";;
        *" reset-failed "*) rm -f "$0.started";;
        *) test ! -e "$0.started" || until systemctl --quiet is-failed \(unit); do sleep 0.02; done;;
      esac
      exec systemctl "$@"
      """
    try await withScript(systemctl) { path in
      defer { unlink("\(path).started") }
      try await Nomad.run(["systemctl_path": .string(path)]) { nomad in
        try await nomad.withEvents { events in
          try await nomad.withTask(sleeping) { task in
            let event = try await events.event(with: "Started")
            let invocation = try await Units.property("InvocationID", of: sleeping)
            #expect(
              event.annotations == [
                "unit": sleeping, "state": "active", "result": "success", "invocation_id": invocation,
              ])
            #expect(event.taskID == task.id && event.taskName == "main")
            #expect(event.allocationID == task.allocation.config.allocationID)
          }
          // One that has ended before anybody could look.
          try await nomad.withTask(unit) { task in
            _ = try await task.wait()
            let event = try await events.event(with: "Started \(unit)")
            #expect(event.annotations["unit"] == unit)
            #expect(event.annotations["result"] != "success", "\(event.annotations)")
          }
        }
      }
    }
  }

  /// Whoever listens until the driver has ended the events has heard all.
  @Test(.timeLimit(.minutes(10))) func theEventsEndWithTheDriver() async throws {
    let unit = try await Units.make("t-sleep")
    try await Nomad.run { nomad in
      let events = TaskEvents()
      async let listening: Void = nomad.calls.taskEvents { events.append($0) }
      try await nomad.withTask(unit) { task in
        try await events.event(with: "Started")
        try await task.calls.stopTask(task.id, timeout: .seconds(300))
        _ = try await task.wait()
      }
      try await nomad.calls.shutdown()
      try await listening
      #expect(events.all.map(\.message) == ["Started \(unit)", "Stopping \(unit)"])
    }
  }

  /// A client that takes one event and then reads nothing until the window of its stream is full.
  @Test func aReaderWhoNeverReadsHoldsNobodyUp() async throws {
    let lines = [
      "[Unit]", "StartLimitIntervalSec=0", "[Service]", "Restart=always", "RestartSec=1ms",
      "ExecStart=/bin/true",
    ]
    let template = "u-\(UUID().uuidString.lowercased())"
    try Units.write(lines, to: "\(template)@.service")
    try await Units.systemctl("daemon-reload")
    try await Nomad.run { nomad in
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          try await nomad.calls.taskEvents { _ in try await Task.sleep(for: .seconds(86400)) }
        }
        defer { group.cancelAll() }
        try await nomad.withEvents { events in
          let others = try (1...4).map { try Allocation(unit: "\(template)@\($0).service") }
          defer { for other in others { other.remove() } }
          for other in others { _ = try await nomad.calls.startTask(other.config) }
          let unit = "\(template)@5.service"
          try await nomad.withTask(unit) { task in
            // More than a stream's window of 64 KiB holds.
            try await eventually("many events") { events.all.count > 300 }
            let state = try await task.inspect().state
            #expect(state == .running)
            for other in others { try await nomad.calls.destroyTask(other.config.id, force: true) }
            try await task.calls.stopTask(task.id, timeout: .seconds(300))
            _ = try await task.wait()
            // Whoever comes now hears what is kept.
            try await nomad.withEvents { late in
              try await late.event(with: "Stopping \(unit)")
              #expect(late.all.count <= 16)
            }
          }
        }
      }
    }
  }
}
