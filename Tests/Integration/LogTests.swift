import Foundation
import MessagePack
import NomadPlugin
import NomadTestSupport
import TestHelpers
import Testing

/// What comes from the journal to Nomad's log collector.
@Suite(.needsSystemd, .limitedParallelism) struct LogTests {
  private func logs(_ unit: String, _ options: MessagePackValue) -> [String: MessagePackValue] {
    ["unit": .string(unit), "logs": options]
  }

  /// Runs a unit to its end as a task. Gives the lines of its two streams.
  private func run(
    _ unit: String, _ driverConfig: [String: MessagePackValue]
  ) async throws -> (output: [String], error: [String]) {
    try await Nomad.run { nomad in
      try await nomad.withTask(unit, driverConfig) { task in
        _ = try await task.wait()
        return (
          try await task.allocation.standardOutput.allLines(),
          try await task.allocation.standardError.allLines()
        )
      }
    }
  }

  @Test func whatSystemdSaysIsMarked() async throws {
    let unit = try await Units.install("[Service]", "ExecStart=/bin/echo own line")
    let lines = try await self.run(unit, self.logs(unit, [:])).output
    #expect(lines.contains("own line"))
    #expect(lines.contains { $0.hasPrefix("systemd[1]: Started ") && $0.contains(unit) })
    #expect(lines.contains("systemd[1]: \(unit): Deactivated successfully."))
    #expect(lines.allSatisfy { $0 == "own line" || $0.hasPrefix("systemd[1]: ") })
  }

  @Test(
    arguments: [
      ("err", ["warning", "info"], ["bad"]), ("warning", ["info"], ["bad", "warning"]),
      ("none", ["bad", "warning", "info"], []), ("debug", [], ["bad", "warning", "info"]),
    ])
  func prioritiesAreStreams(border: String, output: [String], error: [String]) async throws {
    let unit = try await Units.install(
      "[Service]", #"ExecStart=/usr/bin/printf '<3>bad\n<4>warning\n<6>info\n'"#)
    let streams = try await self.run(
      unit, self.logs(unit, ["lifecycle": false, "stderr_priority": .string(border)]))
    #expect(streams.output == output)
    #expect(streams.error == error)
  }

  @Test func shortLinesTellWhenAndWho() async throws {
    let unit = try await Units.install("[Service]", "ExecStart=/bin/echo text", "SyslogIdentifier=me")
    let lines = try await self.run(unit, self.logs(unit, ["format": "short"])).output
    let time = #/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z /#
    #expect(lines.allSatisfy { $0.prefixMatch(of: time) != nil })
    #expect(lines.contains { $0.contains(#/Z me\[\d+\]: text$/#) })
    #expect(lines.contains { $0.contains("Z systemd[1]: ") })
  }

  @Test func entriesAsJSON() async throws {
    struct Entry: Decodable {
      let MESSAGE: String
      let _SYSTEMD_UNIT: String
      let _TRANSPORT: String
    }
    let unit = try await Units.install("[Service]", #"ExecStart=/bin/echo '"quoted" text'"#)
    let lines = try await self.run(unit, self.logs(unit, ["format": "json", "lifecycle": false])).output
    #expect(lines.count == 1)
    let entry = try JSONDecoder().decode(Entry.self, from: Data((lines.first ?? "").utf8))
    #expect(entry.MESSAGE == #""quoted" text"# && entry._SYSTEMD_UNIT == unit && entry._TRANSPORT == "stdout")
  }

  @Test(
    arguments: [
      ("logs", ["format": "yaml"], "logs.format"),
      ("logs", ["stderr_priority": "loud"], "logs.stderr_priority"),
      ("logs", ["lifecycle": "x"], "lifecycle"),
    ] as [(String, MessagePackValue, String)])
  func badOptions(block: String, options: MessagePackValue, attribute: String) async throws {
    try await Nomad.run { nomad in
      let allocation = try Allocation(unit: "x", driverConfig: ["unit": "x", block: options])
      defer { allocation.remove() }
      let error = await #expect(throws: DriverError.self) {
        try await nomad.calls.startTask(allocation.config)
      }
      #expect("\(error as Any)".contains(attribute))
    }
  }

  // MARK: Odd messages

  @Test func entriesOfEveryKind() async throws {
    let unit = try await Units.install(
      "[Service]",
      #"ExecStart=/bin/sh -c 'printf "nul:\\0:\\n"; printf "  blanks  \\n"; "#
        + #"head -c 100000 /dev/zero | tr "\\0" x; echo; echo ready; exec sleep infinity'"#)
    try await Nomad.run { nomad in
      try await nomad.withTask(unit, self.logs(unit, ["lifecycle": false])) { task in
        try await eventually("the last line") { task.allocation.lines.contains("ready") }
        // About the unit's process rather than by it: journald often fails to tell the unit of a process that has ended.
        let process = try await Units.property("MainPID", of: unit)
        for fields in ["MESSAGE=a\\nMESSAGE=b", "X=no message", "MESSAGE=last"] {
          try await Units.command(
            "sh", "-c", "printf '\(fields)\\nOBJECT_PID=\(process)\\n' | logger --journald")
        }
        try await eventually("the last entry") { task.allocation.lines.contains("last") }
        let lines = task.allocation.lines
        #expect(lines.suffix(3) == ["a", "b", "last"])
        #expect(lines.first?.hasPrefix("nul:") == true)
        #expect(lines.contains { $0.hasSuffix("  blanks") || $0.hasSuffix("  blanks  ") })
        // journald splits what is longer than LineMax=.
        let long = lines.filter { $0.hasPrefix("x") }
        #expect(long.reduce(0) { $0 + $1.utf8.count } == 100_000)
        #expect(long.allSatisfy { $0.allSatisfy { $0 == "x" } })
      }
    }
  }

  /// journald splits what is printed, but takes what comes by its own protocol.
  @Test(arguments: ["message", "json"]) func anEntryThatIsTooLarge(format: String) async throws {
    let unit = try await Units.install("[Service]", "ExecStart=/bin/sh -c 'echo before; exec sleep infinity'")
    let lines = try await Nomad.run { nomad in
      let options = self.logs(unit, ["lifecycle": false, "format": .string(format)])
      return try await nomad.withTask(unit, options) { task in
        try await eventually("the first line") { task.allocation.lines.count == 1 }
        // About the unit's process rather than by it: journald often fails to tell the unit of a process that has ended.
        let process = try await Units.property("MainPID", of: unit)
        for message in ["head -c 12000000 /dev/zero | tr '\\0' x", "printf after"] {
          try await Units.command(
            "sh", "-c",
            "(printf MESSAGE=; \(message); printf '\\nOBJECT_PID=\(process)\\n') | logger --journald")
        }
        try await eventually("the last line") { task.allocation.lines.last?.contains("after") == true }
        return task.allocation.lines
      }
    }
    #expect(lines.count == 3)
    let notice = try #require(lines.dropFirst().first)
    #expect(notice.contains("nomad-driver-systemd") && notice.contains("An entry of 1200"))
  }

  // MARK: Which entries

  @Test(arguments: [false, true]) func anAdoptedUnitsPast(isIncluded: Bool) async throws {
    let unit = try await Units.install(
      "[Service]",
      "ExecStart=/bin/sh -c 'echo before; until test -e /run/NAME.go; do sleep 0.02; done; echo after'")
    try await Units.systemctl("start", unit)
    try await eventually("the first line") {
      try await Units.command("journalctl", "--unit", unit, "--output=cat").contains("before")
    }
    try await Nomad.run { nomad in
      let options = self.logs(unit, ["lifecycle": false, "include_adopted": .bool(isIncluded)])
      try await nomad.withTask(unit, options) { task in
        try Units.go(unit)
        _ = try await task.wait()
        let lines = try await task.allocation.allLines()
        #expect(lines == (isIncluded ? ["before", "after"] : ["after"]))
      }
    }
  }

  @Test func unitsThatAreTriggered() async throws {
    let unit = try await Units.install("[Timer]", "OnActiveSec=1s", "AccuracySec=1ms", suffix: "timer")
    let service = unit.replacingOccurrences(of: ".timer", with: ".service")
    try Units.write(["[Service]", "ExecStart=/bin/echo triggered"], to: service)
    try await Units.systemctl("daemon-reload")
    try await Nomad.run { nomad in
      let options = self.logs(unit, ["include_triggered": true])
      try await nomad.withTask(unit, options) { task in
        try await eventually("the line of the service") { task.allocation.lines.contains("triggered") }
        try await task.calls.stopTask(task.id, timeout: .seconds(300))
        let lines = try await task.allocation.allLines()
        #expect(lines.contains { $0.hasPrefix("systemd[1]: Started \(service)") })
      }
    }
  }

  /// Logs of units that the job may not have are none of its own.
  @Test func aUnitThatIsTriggeredAndDenied() async throws {
    let unit = try await Units.install("[Timer]", "OnActiveSec=100ms", "AccuracySec=1ms", suffix: "timer")
    let service = unit.replacingOccurrences(of: ".timer", with: ".service")
    try Units.write(["[Service]", "ExecStart=/bin/echo secret"], to: service)
    try await Units.systemctl("daemon-reload")
    try await Nomad.run(["denied_units": [.string(service)]]) { nomad in
      try await nomad.withTask(unit, self.logs(unit, ["include_triggered": true])) { task in
        try await eventually("the line in the journal") {
          try await Units.command("journalctl", "--unit=\(service)", "--output=cat").contains("secret")
        }
        try await task.calls.stopTask(task.id, timeout: .seconds(300))
        let lines = try await task.allocation.allLines()
        #expect(!lines.isEmpty && !lines.contains { $0.contains(service) || $0.contains("secret") })
      }
    }
  }

  @Test func instancesForConnections() async throws {
    let unit = try await Units.install(
      "[Socket]", "ListenStream=127.0.0.1:23456", "Accept=yes", suffix: "socket")
    let template = unit.replacingOccurrences(of: ".socket", with: "@.service")
    // journald can tell the slice only of a process that still runs when it gets to the line.
    try Units.write(
      ["[Service]", "ExecStart=/bin/sh -c 'echo connected; exec sleep infinity'"], to: template)
    try await Units.systemctl("daemon-reload")
    try await Nomad.run { nomad in
      let options = self.logs(unit, ["include_triggered": true, "lifecycle": false])
      try await nomad.withTask(unit, options) { task in
        for _ in 0..<2 { try await Units.command("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/23456") }
        try await eventually("the lines of both") { task.allocation.lines == ["connected", "connected"] }
      }
    }
    // Those that the job may not have are not shown to it.
    let denied = template.replacingOccurrences(of: "@", with: "@*")
    try await Nomad.run(["denied_units": [.string(denied)]]) { nomad in
      let options = self.logs(unit, ["include_triggered": true, "lifecycle": false])
      try await nomad.withTask(unit, options) { task in
        let count = { @Sendable in try await Units.command("journalctl", "--output=cat", "--unit=\(denied)") }
        let before = try await count()
        try await Units.command("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/23456")
        try await eventually("the line of another") { try await count() != before }
        try await task.calls.stopTask(task.id, timeout: .seconds(300))
        let lines = try await task.allocation.allLines()
        #expect(lines == [])
      }
    }
    try await Units.systemctl("stop", template.replacingOccurrences(of: "@", with: "@*"))
  }

  // MARK: Off

  @Test func collectionIsOffForATask() async throws {
    let unit = try await Units.make("t-counter")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit, ["disable_log_collection": true]) { task in
        let state = try await task.inspect().state
        #expect(state == .running)
        try await task.calls.stopTask(task.id, timeout: .seconds(300))
        let exitCode = try await task.wait().exitCode
        #expect(exitCode == 0)
        #expect(task.allocation.bytes == [])
      }
    }
  }

  @Test func collectionIsOffForTheDriver() async throws {
    let unit = try await Units.make("t-counter")
    try await Nomad.run(["disable_log_collection": true]) { nomad in
      #expect(try await nomad.calls.capabilities().disableLogCollection)
      // Nomad makes no FIFOs then.
      let allocation = try Allocation(unit: unit)
      allocation.remove()
      _ = try await nomad.calls.startTask(allocation.config)
      // However much the unit logs, only what systemd says about it is read.
      try await eventually("no child that stays but the follower of what systemd says") {
        let children = nomad.childProcesses
        let follower = Set(["journalctl", "--follow", "_PID=1", "UNIT=\(unit)"])
        return children.count == 1 && follower.isSubset(of: nomad.commandLine(of: children[0]))
      }
      try await nomad.calls.destroyTask(allocation.config.id, force: true)
      try await eventually("the end of all children") { nomad.childProcesses.isEmpty }
    }
  }

  // MARK: Trouble

  @Test func journaldsRateLimitIsReported() async throws {
    let unit = try await Units.install(
      "[Service]", "LogRateLimitIntervalSec=2s", "LogRateLimitBurst=100",
      "ExecStart=/bin/sh -c 'while :; do seq 1000; sleep 0.5; done'")
    try await Nomad.run { nomad in
      try await nomad.withEvents { events in
        try await nomad.withTask(unit) { _ in
          let event = try await events.event(with: "logs too much")
          #expect(event.message.contains("Suppressed ") && event.message.contains("LogRateLimitBurst="))
          #expect(event.annotations["unit"] == unit)
        }
      }
    }
  }

  @Test func aJournalctlThatIsMissing() async throws {
    let unit = try await Units.make("t-sleep")
    try await Nomad.run(["journalctl_path": "/nonexistent/journalctl"]) { nomad in
      try await nomad.withEvents { events in
        try await nomad.withTask(unit) { task in
          let event = try await events.event(with: "cannot be followed")
          #expect(event.message.contains("/nonexistent/journalctl"))
          try await Units.systemctl("kill", "--signal=KILL", unit)
          #expect(try await task.wait().signal == 9)
        }
      }
    }
  }

  @Test(arguments: [SIGKILL, SIGTERM]) func thePluginDies(signal: Int32) async throws {
    let unit = try await NumberedLines.install(portion: 50)
    let allocation = try Allocation(unit: unit)
    defer { allocation.remove() }
    var handle = TaskHandle(config: allocation.config, state: .running, driverState: [])
    for round in 1...3 {
      let last = handle
      let lineCount = allocation.lines.count
      let next = HandleBox(handle)
      _ = try? await Nomad.run { nomad in
        if round == 1 {
          await next.set(try await nomad.calls.startTask(allocation.config))
        } else {
          try await nomad.calls.recoverTask(last)
        }
        try await eventually("lines") { allocation.lines.count > lineCount + 2000 }
        kill(nomad.pluginProcess, signal)
        try await eventually("the death of the plugin") { kill(nomad.pluginProcess, 0) != 0 }
      }
      handle = await next.handle
      #expect(!allocation.standardOutput.hasEnded && !allocation.standardError.hasEnded)
    }
    try Units.go(unit)
    let recovered = handle
    try await Nomad.run { nomad in
      try await nomad.calls.recoverTask(recovered)
      #expect(try await nomad.calls.waitTask(recovered.config.id).exitCode == 0)
      try await nomad.calls.destroyTask(recovered.config.id, force: false)
      try await eventually("the end of all children") { nomad.childProcesses.isEmpty }
    }
    let lines = try await allocation.allLines()
    if signal == SIGTERM {
      #expect(NumberedLines.areComplete(lines))
    } else {
      // A kill between a write and the note of it repeats the lines of that one write, of 4096 bytes at most.
      var once: [String] = []
      var repeated = 0
      for line in lines {
        if let number = Int(line), number <= once.count {
          repeated += line.utf8.count + 1
        } else {
          once.append(line)
        }
      }
      #expect(NumberedLines.areComplete(once))
      #expect(repeated <= 3 * 4096)
    }
  }

  private actor HandleBox {
    var handle: TaskHandle

    init(_ handle: TaskHandle) { self.handle = handle }

    func set(_ handle: TaskHandle) { self.handle = handle }
  }

  @Test func theCollectorDiesAndComesBack() async throws {
    let lines = try await NumberedLines.run(portion: 50, rounds: 3, after: 500) { task in
      let collector = task.allocation.standardOutput
      collector.end()
      try await eventually("the end of the collector") { collector.hasEnded }
      collector.start()
    }
    #expect(NumberedLines.areComplete(lines))
  }

  @Test func theCollectorStopsReading() async throws {
    let stuck = try await NumberedLines.install(portion: 50)
    let other = try await Units.make("t-counter")
    try await Nomad.run { nomad in
      try await nomad.withTask(stuck) { task in
        let collector = task.allocation.standardOutput
        try await eventually("lines") { collector.lines.count > 500 }
        collector.pause()
        let count = collector.lines.count
        // Far more than the FIFO holds is in the journal by then.
        try await eventually("50,000 lines in the journal") {
          let last = try await Units.command("journalctl", "--unit", stuck, "--lines=1", "--output=cat")
          return Int(last.trimmingCharacters(in: .newlines)).map { $0 > count + 50_000 } ?? false
        }
        try await nomad.withTask(other) { otherTask in
          try await eventually("another task's lines") { otherTask.allocation.lines.count > 20 }
        }
        #expect(nomad.residentKilobytes < 150_000)
        collector.resume()
        try Units.go(stuck)
        _ = try await task.wait()
        let lines = try await collector.allLines()
        #expect(NumberedLines.areComplete(lines))
      }
    }
  }

  @Test func journalctlIsKilled() async throws {
    let lines = try await NumberedLines.run(portion: 50, rounds: 3, after: 500) { task in
      task.nomad.killChildren { $0.contains("--follow") }
    }
    #expect(NumberedLines.areComplete(lines))
  }
}
