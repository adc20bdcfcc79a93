import MessagePack
import NomadPlugin
import Foundation
import NomadTestSupport
import Processes
import TestHelpers

/// How fast lines come from the journal to the log collector, and what that costs.
enum LogBenchmarks {
  private static let lineCount = 200_000

  static func run(_ nomad: Nomad) async throws {
    try await self.throughput(nomad)
    try await self.latency(nomad)
    try await self.memory(nomad)
  }

  /// Lines that are in the journal already: from StartTask to the last byte, beside journalctl alone, in turns.
  private static func throughput(_ nomad: Nomad) async throws {
    let unit = try await Units.install(
      "[Service]", "Type=oneshot", "RemainAfterExit=yes", "LogRateLimitIntervalSec=1s",
      "LogRateLimitBurst=1000000", "ExecStart=/usr/bin/seq \(self.lineCount)")
    try await Units.systemctl("start", unit)
    try await Units.command("journalctl", "--sync")
    let clock = ContinuousClock()
    var driver: [Duration] = []
    var journalctl: [Duration] = []
    var cpuSeconds = 0.0
    for _ in 0..<5 {
      journalctl.append(
        try await clock.measure {
          try await Units.command(
            "sh", "-c",
            "journalctl --output=json --all --output-fields=MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,_PID,_TRANSPORT,UNIT,MESSAGE_ID "
              + "--unit=\(unit) | cat >/dev/null")
        })
      let allocation = try Allocation(
        unit: unit,
        driverConfig: [
          "unit": .string(unit), "on_stop": "leave", "logs": ["include_adopted": true, "lifecycle": false],
        ])
      defer { allocation.remove() }
      let before = LifeBenchmarks.ownCPUSeconds(of: nomad.pluginProcess)
      driver.append(
        try await clock.measure {
          _ = try await nomad.calls.startTask(allocation.config)
          // The last line is the longest and there is one of it.
          while allocation.standardOutput.byteCount < self.byteCount {
            try await Task.sleep(for: .milliseconds(1))
          }
        })
      cpuSeconds += LifeBenchmarks.ownCPUSeconds(of: nomad.pluginProcess) - before
      try await nomad.calls.stopTask(allocation.config.id, timeout: .seconds(5))
      try await nomad.calls.destroyTask(allocation.config.id, force: true)
    }
    try await Units.systemctl("stop", unit)
    Main.row("\(self.lineCount) lines by journalctl alone, piped to cat", Figures(journalctl).text)
    Main.row("\(self.lineCount) lines, StartTask to the last byte", Figures(driver).text)
    Main.row("throughput, as a ratio to journalctl alone", Figures.ratio(journalctl, driver), goal: "≥ 0.9")
    let perLines = cpuSeconds / 5 / Double(self.lineCount) * 100_000
    Main.row("CPU time of the plugin for 100,000 lines", "\((perLines * 1000).rounded() / 1000) s")
  }

  private static let byteCount = (1...lineCount).reduce(0) { $0 + String($1).utf8.count + 1 }

  /// From the time that journald gives a line to its being read, beside `journalctl --follow` alone.
  private static func latency(_ nomad: Nomad) async throws {
    let unit = try await Units.install(
      "[Service]", "ExecStart=/bin/bash -c 'while :; do echo x; sleep 0.0$((RANDOM % 90 + 10)); done'")
    try await nomad.withTask(unit, ["logs": ["format": "json", "lifecycle": false]]) { task in
      async let alone = self.latencies(
        command: "journalctl --follow --lines=0 --output=json --unit=\(unit)", count: 200)
      let path = task.allocation.config.stdoutPath
      task.allocation.standardOutput.end()
      async let delivered = self.latencies(command: "cat \(path)", count: 200)
      let (first, second) = try await (Figures(alone), Figures(delivered))
      Main.row("time of a line to its reading, journalctl --follow", first.text)
      Main.row("time of a line to its reading, log collector", second.text)
      Main.row("difference of the medians", Figures.difference(second, first), goal: "≤ 10 ms")
      task.allocation.standardOutput.start()
    }
  }

  /// Reads entries in JSON that a command prints, and how old each is when it comes.
  private static func latencies(command: String, count: Int) async throws -> [Duration] {
    struct Entry: Decodable { let __REALTIME_TIMESTAMP: String }
    let lines = LineTimes()
    let script = Command(executable: "/bin/sh", arguments: ["-c", command])
    _ = try? await ProcessCommandRunner(logger: quietLogger).run(script) { chunk in
      guard await lines.append(chunk, at: Date()) < count else { throw CancellationError() }
    }
    return try await lines.all.suffix(count).map { line, time in
      let entry = try JSONDecoder().decode(Entry.self, from: Data(line))
      return .seconds(time.timeIntervalSince1970 - (Double(entry.__REALTIME_TIMESTAMP) ?? 0) / 1e6)
    }
  }

  private actor LineTimes {
    private(set) var all: [(line: [UInt8], time: Date)] = []
    private var rest: [UInt8] = []

    func append(_ chunk: [UInt8], at time: Date) -> Int {
      self.rest += chunk
      while let end = self.rest.firstIndex(of: UInt8(ascii: "\n")) {
        self.all.append((Array(self.rest[..<end]), time))
        self.rest.removeSubrange(...end)
      }
      return self.all.count
    }
  }

  /// What the plugin and its children hold while 100 units run.
  private static func memory(_ nomad: Nomad) async throws {
    try await IdleTasks.run(100, nomad, rest: .seconds(3)) { _ in
      let children = nomad.childProcesses.reduce(0) { sum, child in
        let text = (try? String(contentsOfFile: "/proc/\(child)/smaps_rollup", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("Pss:") }
        return sum + (line.flatMap { Int($0.split(separator: " ").dropFirst().first ?? "") } ?? 0)
      }
      Main.row("resident memory of the plugin, 100 units", "\(nomad.residentKilobytes) kB")
      Main.row("memory of its children, 100 units (proportional)", "\(children) kB")
    }
  }
}
