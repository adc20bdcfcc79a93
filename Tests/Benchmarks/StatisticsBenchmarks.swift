import MessagePack
import NomadPlugin
import Foundation
import NomadTestSupport
import TestHelpers

/// What TaskStats costs: the CPU time of the plugin and its children, with the statistics of all units at 1 s, less
/// what it is without.
enum StatisticsBenchmarks {
  private static let seconds = 20.0

  static func run() async throws {
    for count in [1, 100, 500] { try await self.run(unitCount: count) }
    for count in [1, 100] {
      try await self.run(unitCount: count, prefix: ["/usr/bin/env"], how: ", by systemctl show")
    }
  }

  /// - Parameters:
  ///   - prefix: the `command_prefix`.
  ///   - how: what that changes, to be shown.
  static func run(unitCount: Int, prefix: [String] = [], how: String = "") async throws {
    try await Nomad.run(["command_prefix": .array(prefix.map { .string($0) })]) { nomad in
      try await self.measure(nomad, unitCount: unitCount, how: how)
    }
  }

  private static func measure(_ nomad: Nomad, unitCount: Int, how: String) async throws {
    try await IdleTasks.run(unitCount, nomad) { allocations in
      let without = try await self.cpuTime(nomad)
      let with = try await withThrowingTaskGroup(of: Void.self) { group in
        for allocation in allocations {
          group.addTask {
            try await nomad.calls.taskStats(allocation.config.id, interval: .seconds(1)) { _ in }
          }
        }
        defer { group.cancelAll() }
        try await Task.sleep(for: .seconds(3))
        return try await self.cpuTime(nomad)
      }
      func percent(_ first: Double, _ second: Double) -> String {
        "\(((second - first) / self.seconds * 10000).rounded() / 100) %"
      }
      Main.row(
        "CPU of TaskStats at 1 s, \(unitCount) unit\(unitCount == 1 ? "" : "s")\(how)",
        "\(percent(without.plugin, with.plugin)) of a core; PID 1: \(percent(without.systemd, with.systemd))",
        goal: unitCount == 100 && how.isEmpty ? "< 1 %" : "")
    }
  }

  /// The CPU time that passes in the plugin with its children and in PID 1, in seconds.
  private static func cpuTime(_ nomad: Nomad) async throws -> (plugin: Double, systemd: Double) {
    let before = (LifeBenchmarks.cpuSeconds(ofTree: nomad.pluginProcess), LifeBenchmarks.cpuSeconds(of: 1))
    try await Task.sleep(for: .seconds(self.seconds))
    return (
      LifeBenchmarks.cpuSeconds(ofTree: nomad.pluginProcess) - before.0,
      LifeBenchmarks.cpuSeconds(of: 1) - before.1
    )
  }
}
