import NomadPlugin
import Foundation
import NomadTestSupport

/// How fast ends are noticed, and what watching costs.
enum LifeBenchmarks {
  /// How long a `systemctl start --wait` may go on after its unit has ended.
  private static let patience: Duration = .seconds(10)

  static func run(_ nomad: Nomad) async throws {
    try await self.exits(nomad)
    for count in [1, 10, 100, 500] { try await self.idle(nomad, unitCount: count) }
  }

  /// From the death of a unit's process to the answer of WaitTask, all lines delivered, beside a `systemctl start
  /// --wait` that waits for the same unit.
  private static func exits(_ nomad: Nomad) async throws {
    var driver: [Duration] = []
    var systemctl: [Duration] = []
    for _ in 0..<200 {
      let (first, second) = try await nomad.withTask(try await Units.make("t-sleep")) { task in
        let unit = try await task.inspect().driverAttributes["unit"] ?? ""
        let pid = try await task.inspect().driverAttributes["main_pid"].flatMap { Int32($0) } ?? 0
        let clock = ContinuousClock()
        async let driverEnd = {
          _ = try await task.wait()
          return clock.now
        }()
        async let systemctlEnd = {
          try await Units.systemctl("start", "--wait", unit)
          return clock.now
        }()
        // Both are to be waiting when the process dies.
        try await Task.sleep(for: .milliseconds(60))
        let start = clock.now
        kill(pid, SIGKILL)
        let end = try await driverEnd
        // A systemctl that was not waiting yet has started the unit again.
        let patience = Task {
          try await Task.sleep(for: Self.patience)
          try await Units.systemctl("stop", unit)
        }
        defer { patience.cancel() }
        return (end - start, try await systemctlEnd - start)
      }
      driver.append(first)
      if second < Self.patience { systemctl.append(second) }
    }
    Main.row("death of the process to WaitTask's answer", Figures(driver).text, goal: "60 ms, 99 % 300 ms")
    Main.row("death of the process to the end of systemctl start --wait", Figures(systemctl).text)
    Main.row("the ratio of the two", Figures.ratio(driver, systemctl))
  }

  /// The CPU time of the plugin and its children, and that of PID 1, while units run and nothing happens.
  static func idle(_ nomad: Nomad, unitCount: Int) async throws {
    try await IdleTasks.run(unitCount, nomad) { _ in
      try await self.idleRow(nomad, unitCount: unitCount, goal: unitCount == 100 ? "< 1 %" : "")
    }
  }

  /// Measures for a while in which nothing happens.
  static func idleRow(_ nomad: Nomad, unitCount: Int, goal: String) async throws {
    let seconds = 20.0
    let before = (self.cpuSeconds(ofTree: nomad.pluginProcess), self.cpuSeconds(of: 1))
    try await Task.sleep(for: .seconds(seconds))
    let after = (self.cpuSeconds(ofTree: nomad.pluginProcess), self.cpuSeconds(of: 1))
    func percent(_ first: Double, _ second: Double) -> String {
      "\(((second - first) / seconds * 1000).rounded() / 10) %"
    }
    Main.row(
      "CPU of the plugin and its children, \(unitCount) idle unit\(unitCount == 1 ? "" : "s")",
      "\(percent(before.0, after.0)) of a core; PID 1: \(percent(before.1, after.1))", goal: goal)
  }

  /// Of a process, of its children that have ended, and of those that run, in seconds.
  static func cpuSeconds(ofTree process: Int32) -> Double {
    let path = "/proc/\(process)/task"
    let threads = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    let children = threads.flatMap { thread in
      ((try? String(contentsOfFile: "\(path)/\(thread)/children", encoding: .utf8)) ?? "")
        .split(separator: " ").compactMap { Int32($0) }
    }
    return children.reduce(self.cpuSeconds(of: process)) { $0 + self.cpuSeconds(of: $1) }
  }

  static func cpuSeconds(of process: Int32) -> Double { self.cpuTimes(of: process).reduce(0, +) }

  /// Of a process alone, in seconds.
  static func ownCPUSeconds(of process: Int32) -> Double { self.cpuTimes(of: process).prefix(2).reduce(0, +) }

  /// In seconds: user and system time of a process, and those of its children that have ended.
  private static func cpuTimes(of process: Int32) -> [Double] {
    // proc_pid_stat(5): utime, stime, cutime and cstime are the fields 14 to 17; the name may have spaces.
    guard let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
      let end = stat.lastIndex(of: ")")
    else { return [] }
    return stat[end...].split(separator: " ").dropFirst(12).prefix(4).compactMap {
      Double($0).map { $0 / Double(sysconf(Int32(_SC_CLK_TCK))) }
    }
  }
}
