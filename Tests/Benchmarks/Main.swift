import GoPlugin
import NomadPlugin
import Foundation
import NomadTestSupport
import TestHelpers

/// Measures the plugin given as the first argument on the systemd of this host, and prints the figures.
///
/// The machines are shared and noisy: what is to be compared is measured in turns, and medians and ratios count.
@main
struct Main {
  static func main() async throws {
    guard CommandLine.arguments.count >= 2 else {
      print("usage: driver-bench PLUGIN [PART]…")
      exit(2)
    }
    let wanted = CommandLine.arguments.dropFirst(2)
    func isWanted(_ part: String) -> Bool { wanted.isEmpty || wanted.contains(part) }
    let plugin = URL(fileURLWithPath: CommandLine.arguments[1]).path
    setenv("NOMAD_DRIVER_BINARY", plugin, 1)
    print("| figure | value | goal |")
    print("| --- | --- | --- |")
    if isWanted("calls") {
      try launch(plugin)
      try await Nomad.run { nomad in
        try await idle(nomad, plugin)
        try await roundTrips(nomad)
        try await starts(nomad)
      }
    }
    if isWanted("exec") { try await Nomad.run { try await ExecBenchmarks.run($0) } }
    if isWanted("logs") { try await Nomad.run { try await LogBenchmarks.run($0) } }
    if isWanted("life") { try await Nomad.run { try await LifeBenchmarks.run($0) } }
    if isWanted("statistics") { try await StatisticsBenchmarks.run() }
    if isWanted("scale") { try await ScaleBenchmarks.run() }
    if isWanted("spawn") { try await SpawnBenchmarks.run() }
    // The figures that have a goal, without the others.
    if wanted.contains("statistics-100") { try await StatisticsBenchmarks.run(unitCount: 100) }
    if wanted.contains("idle-100") {
      try await Nomad.run { try await LifeBenchmarks.idle($0, unitCount: 100) }
    }
    if wanted.contains("scale-1000") { _ = try await ScaleBenchmarks.run(unitCount: 1000) }
  }

  static func row(_ figure: String, _ value: String, goal: String = "") {
    print("| \(figure) | \(value) | \(goal) |")
    // What was measured is to be seen, whatever comes after it.
    fflush(nil)
  }

  /// From the start of the process to its protocol line.
  static func launch(_ plugin: String) throws {
    var times: [Duration] = []
    for _ in 0..<20 {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: plugin)
      process.environment = [cookie.key: cookie.value, "PLUGIN_PROTOCOL_VERSIONS": "2"]
      let output = Pipe()
      process.standardOutput = output
      process.standardError = FileHandle.nullDevice
      let start = ContinuousClock.now
      try process.run()
      _ = output.fileHandleForReading.availableData
      times.append(ContinuousClock.now - start)
      process.terminate()
      process.waitUntilExit()
    }
    row("process start to protocol line", Figures(times).text, goal: "< 50 ms")
  }

  /// What the plugin holds when it has nothing to do.
  static func idle(_ nomad: Nomad, _ plugin: String) async throws {
    let status = try String(contentsOfFile: "/proc/\(nomad.pluginProcess)/status", encoding: .utf8)
    let resident = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }.map {
      String($0.dropFirst(6))
    }
    row("resident memory, idle", resident?.trimmingCharacters(in: .whitespaces) ?? "unknown")
    let size = try FileManager.default.attributesOfItem(atPath: plugin)[.size] as? Int ?? 0
    row("size of the binary", "\(size / 1024) kB")
  }

  /// InspectTask, alone and with 64 callers.
  static func roundTrips(_ nomad: Nomad) async throws {
    try await nomad.withTask(try await Units.make("t-sleep")) { task in
      for callers in [1, 64] {
        let times = try await withThrowingTaskGroup(of: [Duration].self) { group in
          for _ in 0..<callers {
            group.addTask {
              var times: [Duration] = []
              for _ in 0..<(callers == 1 ? 2000 : 200) {
                let start = ContinuousClock.now
                _ = try await task.inspect()
                times.append(ContinuousClock.now - start)
              }
              return times
            }
          }
          return try await group.reduce(into: []) { $0 += $1 }
        }
        row("InspectTask, \(callers) caller\(callers == 1 ? "" : "s")", Figures(times).text)
      }
    }
  }

  /// StartTask and StopTask beside the bare commands, in turns.
  static func starts(_ nomad: Nomad) async throws {
    var bareStart: [Duration] = []
    var bareStop: [Duration] = []
    var taskStart: [Duration] = []
    var taskStop: [Duration] = []
    let clock = ContinuousClock()
    for _ in 0..<30 {
      let bare = try await Units.make("t-sleep")
      bareStart.append(try await clock.measure { try await Units.systemctl("start", bare) })
      bareStop.append(try await clock.measure { try await Units.systemctl("stop", bare) })
      let allocation = try Allocation(unit: try await Units.make("t-sleep"))
      defer { allocation.remove() }
      taskStart.append(try await clock.measure { _ = try await nomad.calls.startTask(allocation.config) })
      let id = allocation.config.id
      taskStop.append(try await clock.measure { try await nomad.calls.stopTask(id, timeout: .seconds(10)) })
      try await nomad.calls.destroyTask(id, force: true)
    }
    row("systemctl start", Figures(bareStart).text)
    row("StartTask", Figures(taskStart).text)
    row("StartTask / systemctl start", Figures.ratio(taskStart, bareStart), goal: "≤ 1.5")
    row("systemctl stop", Figures(bareStop).text)
    row("StopTask", Figures(taskStop).text)
    row("StopTask / systemctl stop", Figures.ratio(taskStop, bareStop))
  }
}
