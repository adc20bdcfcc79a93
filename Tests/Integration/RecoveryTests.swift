import Foundation
import NomadPlugin
import NomadTestSupport
import Systemd
import TestHelpers
import Testing

/// What a new process of the plugin makes of the tasks of the one before.
@Suite(.needsSystemd, .limitedParallelism) struct RecoveryTests {
  /// Starts a task in a plugin that is then killed. Gives its handle.
  private func startAndKill(_ allocation: Allocation) async throws -> TaskHandle {
    let started = HandleBox()
    _ = try? await Nomad.run { nomad in
      let handle = try await nomad.calls.startTask(allocation.config)
      try await eventually("a line, or a unit that prints none") {
        allocation.lines.count >= 3 || !allocation.config.driverConfigText.contains("counter")
      }
      await started.set(handle)
      kill(nomad.pluginProcess, SIGKILL)
    }
    return try #require(await started.handle)
  }

  private actor HandleBox {
    var handle: TaskHandle?

    func set(_ handle: TaskHandle) { self.handle = handle }
  }

  @Test func aRunningUnitIsTakenUp() async throws {
    let allocation = try Allocation(unit: try await Units.make("t-sleep"))
    defer { allocation.remove() }
    let handle = try await self.startAndKill(allocation)
    try await Nomad.run { nomad in
      try await nomad.calls.recoverTask(handle)
      // Known now: nothing happens.
      try await nomad.calls.recoverTask(handle)
      let status = try await nomad.calls.inspectTask(handle.config.id)
      #expect(status.state == .running)
      try await nomad.calls.stopTask(handle.config.id, timeout: .seconds(300))
      let exitCode = try await nomad.calls.waitTask(handle.config.id).exitCode
      #expect(exitCode == 0)
      try await nomad.calls.destroyTask(handle.config.id, force: false)
    }
  }

  @Test func logsGoOnWhereTheyEnded() async throws {
    let unit = try await Units.make("t-counter")
    let allocation = try Allocation(unit: unit)
    defer { allocation.remove() }
    // Nomad's collector would end with the last writer: hold one, as the agent's restart of it would.
    let writer = open(allocation.config.stdoutPath, O_RDWR | O_NONBLOCK | O_CLOEXEC)
    let handle = try await self.startAndKill(allocation)
    try await Nomad.run { nomad in
      try await nomad.calls.recoverTask(handle)
      let before = allocation.lines.count
      try await eventually("more lines") { allocation.lines.count > before + 50 }
      try await nomad.calls.stopTask(handle.config.id, timeout: .seconds(300))
      _ = try await nomad.calls.waitTask(handle.config.id)
      try await nomad.calls.destroyTask(handle.config.id, force: true)
    }
    close(writer)
    let lines = try await allocation.allLines()
    // A kill between a write and the note of it may repeat the lines of that one write, and nothing else.
    let distinct = lines.reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
    #expect(distinct == (1...max(distinct.count, 1)).map { "\($0)" })
    #expect(lines.count - distinct.count <= 20)
  }

  @Test(arguments: [("t-exit7", Int32(7)), ("t-lines", 0)])
  func aUnitThatEndedMeanwhile(template: String, expected: Int32) async throws {
    let unit = try await Units.make(template)
    let allocation = try Allocation(unit: unit)
    defer { allocation.remove() }
    let handle = try await self.startAndKill(allocation)
    try await eventually("the unit's end") {
      let state = try await Units.systemctl("is-active", unit)
      return state == "failed\n" || state == "inactive\n"
    }
    try await Nomad.run { nomad in
      try await nomad.calls.recoverTask(handle)
      let exitCode = try await nomad.calls.waitTask(handle.config.id).exitCode
      #expect(exitCode == expected)
      try await nomad.calls.destroyTask(handle.config.id, force: false)
    }
  }

  /// Starts a task whose unit ends, with exit status 7, while no plugin runs; `body` may then make systemd forget it.
  /// Gives the exit result and the status that a new plugin tells.
  private func recover(
    afterTheEndOf unit: String, _ body: () async throws -> Void
  ) async throws -> (result: ExitResult, status: TaskStatus) {
    let allocation = try Allocation(unit: unit)
    defer { allocation.remove() }
    let handle = try await self.startAndKill(allocation)
    try Units.go(unit)
    try await eventually("the unit's end") { try await Units.property("MainPID", of: unit) == "0" }
    try await body()
    return try await Nomad.run { nomad in
      try await nomad.calls.recoverTask(handle)
      let result = try await nomad.calls.waitTask(handle.config.id)
      let status = try await nomad.calls.inspectTask(handle.config.id)
      try await nomad.calls.destroyTask(handle.config.id, force: false)
      return (result, status)
    }
  }

  private static let waiting =
    "ExecStart=/bin/sh -c 'until test -e /run/NAME.go; do sleep 0.02; done; exit 7'"

  @Test func aFailureThatSomebodyReset() async throws {
    let unit = try await Units.install("[Service]", Self.waiting)
    let (result, status) = try await self.recover(afterTheEndOf: unit) {
      // Without its main process it may still be on the way there, and what is reset then ends as a success.
      try await eventually("the failure") { try await Units.property("ActiveState", of: unit) == "failed" }
      try await Units.systemctl("reset-failed", unit)
      let state = try await Units.property("ActiveState", of: unit)
      #expect(state == "inactive")
    }
    #expect(result.exitCode == 7)
    #expect(result.message?.contains("status 7") == true)
    #expect(status.state == .exited)
    let started = try #require(status.startedAt)
    let completed = try #require(status.completedAt)
    #expect(started <= completed && completed <= Date())
  }

  @Test func aFailureThatSystemdForgets() async throws {
    let unit = try await Units.install("[Unit]", "CollectMode=inactive-or-failed", "[Service]", Self.waiting)
    let (result, _) = try await self.recover(afterTheEndOf: unit) {}
    #expect(result.exitCode == 7)
  }

  @Test func aUnitWhoseFileIsGone() async throws {
    let unit = try await Units.install("[Service]", "SuccessExitStatus=7", Self.waiting)
    let (result, _) = try await self.recover(afterTheEndOf: unit) {
      try Units.removeFile(of: unit)
      try await Units.systemctl("daemon-reload")
    }
    // The journal knows that it was a good end.
    #expect(result.exitCode == 0 && result.message == nil, "\(result)")
  }

  /// What counts is the last run of those that systemd has begun, not the one that is in the handle.
  @Test func aRestartAndAnEnd() async throws {
    let unit = try await Units.install(
      "[Service]", "Restart=on-failure", "RestartSec=10ms",
      "ExecStart=/bin/sh -c 'until test -e /run/NAME.go; do sleep 0.02; done; test -e /run/NAME.2 || { >/run/NAME.2; exit 7; }'"
    )
    let (result, _) = try await self.recover(afterTheEndOf: unit) {
      try await eventually("the end of the last run") {
        try await Units.property("ActiveState", of: unit) == "inactive"
      }
    }
    #expect(result.exitCode == 0 && result.message == nil, "\(result)")
  }

  @Test func theStartIsWhenItWas() async throws {
    let unit = try await Units.make("t-sleep")
    let allocation = try Allocation(unit: unit)
    defer { allocation.remove() }
    let handle = try await self.startAndKill(allocation)
    let text = try await Units.systemctl(
      "show", "--value", "--timestamp=us+utc", "--property=ExecMainStartTimestamp", unit)
    let start = try #require(RealtimeTimestamp(text.trimmingCharacters(in: .newlines)))
    try await Nomad.run { nomad in
      try await nomad.calls.recoverTask(handle)
      let startedAt = try #require(try await nomad.calls.inspectTask(handle.config.id).startedAt)
      #expect(abs(startedAt.timeIntervalSince1970 - Double(start.microseconds) / 1e6) < 0.001)
      try await nomad.calls.destroyTask(handle.config.id, force: true)
    }
  }

  @Test func restartsWhileNobodyWatchedAreReported() async throws {
    let unit = try await Units.install(
      "[Service]", "Restart=always", "RestartSec=10ms", "ExecStart=/bin/sleep infinity")
    let allocation = try Allocation(unit: unit)
    defer { allocation.remove() }
    let handle = try await self.startAndKill(allocation)
    let first = try await Units.property("InvocationID", of: unit)
    try await eventually("a restart") {
      try await Units.systemctl("kill", "--signal=KILL", unit)
      return try await Units.property("NRestarts", of: unit) != "0"
    }
    try await eventually("another run") {
      let run = try await Units.property("InvocationID", of: unit)
      let state = try await Units.property("ActiveState", of: unit)
      return run != first && state == "active"
    }
    try await Nomad.run { nomad in
      try await nomad.withEvents { events in
        try await nomad.calls.recoverTask(handle)
        try await events.event(with: "Recovered")
        // Whether the first run was known when the plugin died is chance: its start is answered before the first look.
        let state = try await nomad.calls.inspectTask(handle.config.id).state
        #expect(state == .running)
        try await nomad.calls.destroyTask(handle.config.id, force: true)
      }
    }
  }

  @Test func aTaskOfAnotherBoot() async throws {
    let unit = try await Units.make("t-sleep")
    let allocation = try Allocation(unit: unit)
    defer { allocation.remove() }
    var handle = try await self.startAndKill(allocation)
    let text = String(decoding: handle.driverState, as: UTF8.self)
    let boot = try String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
      .trimmingCharacters(in: .newlines)
    #expect(text.contains(boot))
    handle.driverState = Array(
      text.replacingOccurrences(of: boot, with: "00000000-0000-0000-0000-000000000000").utf8)
    let other = handle
    try await Nomad.run { nomad in
      let error = await #expect(throws: DriverError.self) { try await nomad.calls.recoverTask(other) }
      guard case .recoverable(let reason)? = error else {
        return #expect(Bool(false), "\(String(describing: error))")
      }
      #expect(reason.contains("restarted"))
    }
    try await Units.systemctl("stop", unit)
  }

  // MARK: Two plugins

  /// An agent that cannot reattach to its plugin starts a second one, while the first goes on.
  @Test func aSecondPluginTakesATaskWhileLinesCome() async throws {
    let lines = try await NumberedLines.run(portion: 5, rounds: 3, after: 30) { task in
      try await Nomad.run { second in
        try await second.calls.recoverTask(task.handle)
        await #expect(throws: DriverError.taskNotFound) { try await task.wait() }
        let before = task.allocation.lines.count
        try await eventually("lines by the second") { task.allocation.lines.count > before + 30 }
        // And back again.
        try await task.nomad.calls.recoverTask(task.handle)
        await #expect(throws: DriverError.taskNotFound) { try await second.calls.waitTask(task.id) }
      }
    }
    #expect(NumberedLines.areComplete(lines))
  }

  @Test func aSecondPluginTakesATaskWhoseFirstIsStopped() async throws {
    let unit = try await Units.install(
      "[Service]",
      "ExecStart=/bin/sh -c 'echo 1; until test -e /run/NAME.go; do sleep 0.02; done; echo 2; echo 3; exit 7'"
    )
    try await Nomad.run { first in
      try await first.withTask(unit) { task in
        let checkpoint = task.allocation.config.stdoutPath.replacingOccurrences(
          of: "stdout.fifo", with: "journal-cursor")
        try await eventually("the line and its checkpoint") {
          let text = try? String(contentsOfFile: checkpoint, encoding: .utf8)
          return task.allocation.lines == ["1"] && text?.contains("i=") == true
        }
        kill(first.pluginProcess, SIGSTOP)
        try await Nomad.run { second in
          try await second.calls.recoverTask(task.handle)
          try await second.warnings.warning(with: "does not let go of it")
          kill(first.pluginProcess, SIGCONT)
          try Units.go(unit)
          let exitCode = try await second.calls.waitTask(task.id).exitCode
          #expect(exitCode == 7)
          await #expect(throws: DriverError.taskNotFound) { try await task.wait() }
          try await second.calls.destroyTask(task.id, force: false)
        }
        let lines = try await task.allocation.allLines()
        #expect(lines == ["1", "2", "3"])
      }
    }
  }

  @Test func theRecordsAreRootsAlone() async throws {
    try await Nomad.run { nomad in
      try await nomad.withTask(try await Units.make("t-sleep")) { _ in
        var status = stat()
        for (path, mode) in [
          ("/run/nomad-driver-systemd", 0o711), ("/run/nomad-driver-systemd/tasks", 0o700),
        ] {
          #expect(
            lstat(path, &status) == 0 && status.st_mode & 0o7777 == mode && status.st_uid == 0, "\(path)")
        }
      }
      #expect(nomad.warnings.all == [])
    }
  }

  @Test func aHandleThatIsNotOurs() async throws {
    try await Nomad.run { nomad in
      let config = TaskConfig(id: "x/y/z")
      for state in [[], Array("garbage".utf8), Array(#"{"version":99,"unit":"a.service"}"#.utf8)] as [[UInt8]]
      {
        let error = await #expect(throws: DriverError.self) {
          try await nomad.calls.recoverTask(TaskHandle(config: config, driverState: state))
        }
        guard case .unrecoverable? = error else {
          return #expect(Bool(false), "\(String(describing: error))")
        }
      }
    }
  }
}

extension TaskConfig {
  var driverConfigText: String { String(decoding: self.driverConfig, as: UTF8.self) }
}
