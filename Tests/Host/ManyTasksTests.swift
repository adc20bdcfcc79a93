import MessagePack
import NomadPlugin
import NomadTestSupport
import TestHelpers
import Testing

extension HostTests {
  @Test func twoHundredTasks() async throws {
    try await Nomad.run { nomad in
      let units = try await Self.units(200)
      let allocations = try units.map {
        try Allocation(unit: $0, driverConfig: ["unit": .string($0), "logs": [:]])
      }
      defer { for allocation in allocations { allocation.remove() } }
      func forAll(_ call: @escaping @Sendable (String) async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
          for allocation in allocations { group.addTask { try await call(allocation.config.id) } }
          try await group.waitForAll()
        }
      }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for allocation in allocations {
          group.addTask { _ = try await nomad.calls.startTask(allocation.config) }
        }
        try await group.waitForAll()
      }
      try await forAll { id in
        let state = try await nomad.calls.inspectTask(id).state
        #expect(state == .running)
      }
      // There are too many for a follower each.
      try await eventually("the lines of all") {
        allocations.allSatisfy { $0.lines.contains { $0.contains("Started") } }
      }
      // Whoever waits hears of the end, whichever way it comes.
      try await forAll { id in
        async let end = nomad.calls.waitTask(id)
        try await nomad.calls.stopTask(id, timeout: .seconds(300))
        let exitCode = try await end.exitCode
        #expect(exitCode == 0)
        try await nomad.calls.destroyTask(id, force: false)
      }
      try await eventually("the end of all children") { nomad.childProcesses.isEmpty }
      let left = try await Units.systemctl(
        "list-units", "--plain", "--no-legend", "--state=active", "t-sleep@*")
      #expect(units.filter { left.contains($0) } == [])
    }
  }

  private static func units(_ count: Int) async throws -> [String] {
    var units: [String] = []
    for _ in 0..<count { units.append(try await Units.make("t-sleep")) }
    return units
  }
}
