import Foundation
import NomadTestSupport
import TestHelpers

/// Has the plugin given as the first argument run many tasks for as many seconds as the second one says, on the systemd of
/// this host, with everything that can happen to them: ends of all kinds, restarts, kills of the plugin, bursts of lines,
/// reloads and restarts of systemd and journald. A model says what must be true afterwards. Ends with 1 if something was not.
@main
struct Main {
  private static let slotCount = 24

  static func main() async throws {
    guard CommandLine.arguments.count == 3, let seconds = Int(CommandLine.arguments[2]), seconds > 0 else {
      print("usage: driver-soak PLUGIN SECONDS")
      exit(2)
    }
    setenv("NOMAD_DRIVER_BINARY", URL(fileURLWithPath: CommandLine.arguments[1]).path, 1)
    let report = SoakReport()
    let disturbances = SoakDisturbances(report)
    let slots = (0..<self.slotCount).map { _ in SoakSlot(report, disturbances) }
    try await SoakUnit.install()
    let end = ContinuousClock.now + .seconds(seconds)
    let disturbing = Task { await disturbances.run() }
    while ContinuousClock.now < end {
      for _ in 0..<20 where ContinuousClock.now < end {
        await self.runPlugin(slots, report, rests: 0, until: end)
      }
      // One that lives long, to see whether it holds more and more.
      await self.runPlugin(slots, report, rests: 5, restInterval: .seconds(60), until: end)
    }
    await self.runPlugin(slots, report, rests: 1, restInterval: .zero, until: end)
    disturbing.cancel()
    await disturbing.value
    exit(report.print() ? 0 : 1)
  }

  /// Has one process of the plugin run tasks. It has rest now and then, in which there are no tasks, and ends with one; or
  /// has none and is killed after a while.
  private static func runPlugin(
    _ slots: [SoakSlot], _ report: SoakReport, rests: Int, restInterval: Duration = .zero,
    until end: ContinuousClock.Instant
  ) async {
    let start = ContinuousClock.now
    do {
      try await Nomad.run { nomad in
        guard rests > 0 else {
          let session = SoakSession()
          await self.play(slots, nomad, session, report) {
            try? await Task.sleep(for: .milliseconds(Int.random(in: 500...20_000)))
            session.kill()
            kill(nomad.pluginProcess, Bool.random() ? SIGKILL : SIGTERM)
            report.count("kills of the plugin")
          }
          return
        }
        for _ in 0..<rests where ContinuousClock.now < end || rests == 1 {
          let session = SoakSession()
          await self.play(slots, nomad, session, report) {
            try? await Task.sleep(for: min(restInterval, max(.zero, end - ContinuousClock.now)))
            session.rest()
          }
          // What is ended is gone soon, but not at once.
          try? await eventually("no children") { nomad.childProcesses.isEmpty && self.holderCount == 0 }
          report.holding(self.holding(nomad, age: ContinuousClock.now - start))
        }
      }
    } catch {
      if rests > 0 { report.violation("the plugin: \(error)") }
    }
  }

  private static func play(
    _ slots: [SoakSlot], _ nomad: Nomad, _ session: SoakSession, _ report: SoakReport,
    _ end: @escaping @Sendable () async -> Void
  ) async {
    await withTaskGroup(of: Void.self) { group in
      for slot in slots { group.addTask { await slot.play(nomad, session) } }
      await end()
      report.peak(nomad.residentKilobytes)
      let watchdog = Task {
        try await Task.sleep(for: .seconds(180))
        for slot in slots {
          if let unit = await slot.unit { report.violation("\(unit): a call about it does not end") }
        }
        _ = report.print()
        exit(1)
      }
      await group.waitForAll()
      watchdog.cancel()
    }
  }

  private static func holding(_ nomad: Nomad, age: Duration) -> SoakReport.Holding {
    func count(_ directory: String) -> Int {
      (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(nomad.pluginProcess)/\(directory)").count)
        ?? 0
    }
    return SoakReport.Holding(
      age: age, kilobytes: nomad.residentKilobytes, descriptors: count("fd"), threads: count("task"),
      children: nomad.childProcesses.count, holders: self.holderCount)
  }

  /// How many processes hold FIFOs open for the plugin, or for one before it.
  private static var holderCount: Int {
    let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return processes.filter { Int($0) != nil }.count {
      (try? String(contentsOfFile: "/proc/\($0)/cmdline", encoding: .utf8))?.contains("sleep\u{0}2147483647")
        ?? false
    }
  }
}
