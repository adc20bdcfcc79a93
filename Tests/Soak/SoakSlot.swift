import Foundation
import NomadPlugin
import NomadTestSupport
import TestHelpers

/// Has one task after another, does to it what operators, Nomad and systemd do, and knows what must come of that.
actor SoakSlot {
  /// A task, from before its start to after its end.
  private struct Run {
    let kind: SoakUnit
    let unit: String
    let allocation: Allocation
    var handle: TaskHandle?
    /// The exit codes that are right.
    var exitCodes: Set<Int32>
    /// Whether its unit ends by itself, and nothing else has been done to it.
    var isUndisturbed = true
    /// How often the plugin was killed meanwhile.
    var killCount = 0
    /// Whether it took two starts: the first one was refused, or the plugin killed before it answered.
    var lacksLines = false

    var id: String { self.allocation.config.id }
  }

  private let report: SoakReport
  private let disturbances: SoakDisturbances
  private var run: Run?

  init(_ report: SoakReport, _ disturbances: SoakDisturbances) {
    self.report = report
    self.disturbances = disturbances
  }

  /// The unit of the task that there is.
  var unit: String? { self.run?.unit }

  /// Has tasks until the session ends; where that is for rest, ends the last one.
  func play(_ nomad: Nomad, _ session: SoakSession) async {
    while true {
      do {
        if self.run == nil {
          guard !session.hasEnded else { return }
          await session.pause(0...500)
          guard !session.hasEnded else { return }
          self.begin()
        }
        try await self.take(nomad)
        if self.run != nil { try await self.live(nomad, session) }
      } catch {
        if session.isKilled {
          self.run?.killCount += 1
          if self.run?.handle == nil { self.run?.lacksLines = true }
          return
        }
        // What systemd refuses while it executes itself anew is tried again, as Nomad would.
        if !self.disturbances.isRecent {
          self.report.violation("\(self.run?.unit ?? "no unit"): \(error)")
          await self.giveUp(nomad)
        } else {
          self.report.count("calls refused after daemon-reexec")
          // The unit may have run, and the logs of the refused task have ended.
          if self.run?.handle == nil { self.run?.lacksLines = true }
          await session.pause(500...1000)
        }
      }
    }
  }

  private func begin() {
    guard let kind = SoakUnit.allCases.randomElement() else { return }
    let (unit, exitCodes) = kind.run()
    do {
      let allocation = try Allocation(unit: unit)
      self.run = Run(kind: kind, unit: unit, allocation: allocation, exitCodes: exitCodes)
    } catch {
      self.report.violation("the FIFOs cannot be made: \(error)")
    }
  }

  /// Starts the task, or takes it up after the plugin was killed.
  private func take(_ nomad: Nomad) async throws {
    guard let run = self.run else { return }
    if let handle = run.handle {
      try await nomad.calls.recoverTask(handle)
      self.report.count("recoveries")
      return
    }
    self.run?.handle = try await nomad.calls.startTask(run.allocation.config)
    self.report.count("starts")
  }

  /// Does this and that to the task until it has ended.
  private func live(_ nomad: Nomad, _ session: SoakSession) async throws {
    guard let run = self.run else { return }
    let result = try await withThrowingTaskGroup(of: ExitResult?.self) { group in
      group.addTask { try await nomad.calls.waitTask(run.id) }
      // As an agent has it open.
      group.addTask {
        try await nomad.calls.taskStats(run.id, interval: .seconds(1)) { _ in self.report.count("samples") }
        return nil
      }
      group.addTask {
        while !session.hasEnded {
          await session.pause(50...1500)
          if !session.hasEnded { try await self.act(nomad) }
        }
        if session.isKilled { throw CancellationError() }
        try await self.stop(nomad)
        return nil
      }
      defer { group.cancelAll() }
      while let result = try await group.next() {
        if let result { return result }
      }
      throw CancellationError()
    }
    try await self.end(nomad, result)
  }

  private func disturb(_ exitCodes: Int32...) {
    self.run?.exitCodes.formUnion(exitCodes)
    self.run?.isUndisturbed = false
  }

  private func stop(_ nomad: Nomad) async throws {
    guard let run = self.run else { return }
    // While it waits for its next start by systemd, the result is that of the last one.
    self.disturb(run.kind == .stubborn ? 137 : run.kind == .oneshot ? 143 : 0, run.kind == .restarts ? 1 : 0)
    try await nomad.calls.stopTask(run.id, timeout: run.kind == .stubborn ? .seconds(1) : .seconds(60))
    self.report.count("stops")
  }

  private func act(_ nomad: Nomad) async throws {
    guard let run = self.run else { return }
    do {
      switch Int.random(in: 0..<100) {
      case 0..<25:
        try await self.stop(nomad)
      case 25..<32:
        if run.kind != .restarts { self.disturb(137) } else { self.disturb() }
        self.report.count("kills of units")
        _ = try? await Units.systemctl("kill", "--signal=KILL", run.unit)
      case 32..<37 where run.kind != .stubborn:
        self.disturb(run.kind == .oneshot ? 143 : 0, run.kind == .restarts ? 1 : 0)
        self.report.count("stops by somebody else")
        _ = try? await Units.systemctl("stop", run.unit)
      case 37..<42 where run.kind == .runs && run.isUndisturbed:
        self.report.count("restarts by somebody else")
        self.disturb()
        _ = try? await Units.systemctl("restart", run.unit)
      case 42..<55:
        _ = try await nomad.calls.inspectTask(run.id)
      case 55..<65 where run.kind == .runs && run.isUndisturbed:
        let result = try await nomad.calls.execTask(
          run.id, command: ["/bin/echo", "x"], timeout: .seconds(30))
        self.report.count("commands in tasks")
        if result.exitResult.exitCode != 0 {
          self.report.violation("\(run.unit): exec ended with \(result.exitResult.exitCode)")
        }
      case 65..<75:
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask {
            try await nomad.calls.taskStats(run.id, interval: .milliseconds(200)) { _ in
              self.report.count("samples")
            }
          }
          group.addTask { try await Task.sleep(for: .seconds(1)) }
          defer { group.cancelAll() }
          try await group.next()
        }
      default: break
      }
    } catch let error as DriverError where !Task.isCancelled {
      // It may have ended meanwhile; then the end says whether all is well.
      guard try await nomad.calls.inspectTask(run.id).state == .exited else { throw error }
    }
  }

  private func end(_ nomad: Nomad, _ result: ExitResult) async throws {
    guard let run = self.run else { return }
    if !run.exitCodes.contains(result.exitCode) || (result.exitCode == 0) != (result.message == nil) {
      self.report.violation(
        "\(run.unit): ended with \(result.exitCode) rather than \(run.exitCodes.sorted()), "
          + "\(result.message ?? "no message"), after \(run.killCount) kills of the plugin; in the journal are "
          + "\(await self.journal(of: run))")
    }
    self.report.count(
      "ends with \(result.exitCode == 0 ? "0" : result.signal != 0 ? "a signal" : "another exit code")")
    try await nomad.calls.destroyTask(run.id, force: false)
    self.run = nil
    let lines = try await run.allocation.allLines()
    if !run.lacksLines, run.kind != .broken { await self.check(lines, of: run) }
    self.report.count("lines", lines.count)
    run.allocation.remove()
    var state = ""
    // While systemd executes itself anew it says nothing.
    while state.isEmpty { state = try await Units.property("ActiveState", of: run.unit) }
    if state != "inactive" { self.report.violation("\(run.unit) is \(state) after its task was destroyed") }
  }

  /// The lines of each process are numbered from 1 on. None is missing, and where the plugin was not killed, none comes twice.
  private func check(_ lines: [String], of run: Run) async {
    var last: [Substring: Int] = [:]
    var gap: String?
    var repetitions = 0
    var repeated = ""
    for line in lines {
      let words = line.split(separator: " ")
      guard let word = words.last, let number = Int(word), words.count <= 2 else {
        return self.report.violation("\(run.unit): the line '\(line.prefix(80))'")
      }
      let process = words.count == 2 ? words[0] : ""
      let previous = last[process] ?? 0
      if number > previous + 1 { gap = gap ?? "\(number) follows \(previous)" }
      if number <= previous {
        repetitions += 1
        repeated = line
      }
      last[process] = number
    }
    // Of a write that was not noted, 4096 bytes of lines as short as "1 2" and "12345".
    if repetitions > run.killCount * 1024 {
      self.report.violation(
        "\(run.unit): \(repetitions) lines came again after \(run.killCount) kills of the plugin, the last of them "
          + "'\(repeated)', which is in the journal \(await self.journal(of: run).count { $0 == repeated }) times"
      )
    }
    let count = last.values.reduce(0, +)
    if run.isUndisturbed, let all = run.kind.lineCount, count != all {
      gap = gap ?? "\(count) of \(all) lines"
    }
    guard let gap else { return }
    // While it is restarted journald loses lines of processes that have just begun.
    let delivered = Set(lines)
    let missing = await self.journal(of: run, "_TRANSPORT=stdout").filter { !delivered.contains(String($0)) }
    if missing.isEmpty {
      self.report.count("tasks whose lines journald has lost")
    } else {
      self.report.violation(
        "\(run.unit): \(gap), after \(run.killCount) kills of the plugin; in the journal are also \(missing.suffix(20))"
      )
    }
  }

  private func journal(of run: Run, _ matches: String...) async -> [Substring] {
    let output = try? await Units.run(
      ["journalctl", "--unit=\(run.unit)", "--output=cat", "--no-pager"] + matches)
    return output?.split(separator: "\n") ?? []
  }

  private func giveUp(_ nomad: Nomad) async {
    guard let run = self.run else { return }
    try? await nomad.calls.destroyTask(run.id, force: true)
    run.allocation.remove()
    _ = try? await Units.systemctl("kill", "--signal=KILL", run.unit)
    _ = try? await Units.systemctl("reset-failed", run.unit)
    self.run = nil
  }
}
