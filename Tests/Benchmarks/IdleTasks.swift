import NomadPlugin
import NomadTestSupport
import TestHelpers

/// Tasks whose units do nothing.
enum IdleTasks {
  /// Starts some, lets what that has set off come to rest, and destroys them after `body`.
  static func run<R: Sendable>(
    _ count: Int, _ nomad: Nomad, rest: Duration = .seconds(8),
    _ body: ([Allocation]) async throws -> R
  ) async throws -> R {
    var allocations: [Allocation] = []
    for _ in 0..<count {
      let allocation = try Allocation(unit: try await Units.make("t-sleep"))
      _ = try await nomad.calls.startTask(allocation.config)
      allocations.append(allocation)
    }
    try await Task.sleep(for: rest)
    let result = try await body(allocations)
    await withTaskGroup(of: Void.self) { group in
      for allocation in allocations {
        group.addTask { try? await nomad.calls.destroyTask(allocation.config.id, force: true) }
      }
    }
    for allocation in allocations { allocation.remove() }
    return result
  }
}
