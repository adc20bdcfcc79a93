import AsyncPrimitives
import MessagePack
import NomadPlugin
import TestHelpers

@testable import SystemdDriver

/// Runs a driver on a systemd in memory, and ends it after `body`.
///
/// - Parameters:
///   - options: the plugin's options; units are polled as often as the driver allows if they do not say otherwise.
///   - records: where the driver keeps its records; nil for nowhere.
func withDriver<R>(
  _ systemd: FakeSystemd = FakeSystemd(), _ options: [String: MessagePackValue] = [:],
  records: String? = nil, _ body: (SystemdDriver, FakeSystemd) async throws -> R
) async throws -> R {
  let driver = SystemdDriver(
    version: "1.2.3", runner: systemd, recordDirectory: records, logger: quietLogger)
  return try await withThrowingTaskGroup(of: Void.self) { group in
    group.addTask { await driver.run() }
    defer { group.cancelAll() }
    try await driver.configure(options)
    return try await body(driver, systemd)
  }
}

extension SystemdDriver {
  /// Configures the driver as an agent does.
  func configure(_ options: [String: MessagePackValue]) async throws {
    let all = options.merging(["poll_interval": "100ms"]) { own, _ in own }
    let topology = Topology(cores: [.init(baseSpeed: 1000), .init(baseSpeed: 1000)])
    try await self.configure(
      PluginConfiguration(
        messagePack: try MessagePackEncoder().encode(MessagePackValue(all)),
        agent: AgentConfiguration(topology: topology)))
  }

  /// Starts a task whose logs go nowhere. Gives its ID.
  func start(_ unit: String, _ attributes: [String: MessagePackValue] = [:]) async throws -> String {
    try await self.startTask(.test(unit: unit, attributes)).config.id
  }

  /// Starts a task with logs, and destroys it after `body`.
  func withLoggedTask<R>(
    _ unit: String, _ attributes: [String: MessagePackValue] = [:],
    _ body: (Allocation) async throws -> R
  ) async throws -> R {
    let allocation = try Allocation(
      unit: unit, driverConfig: attributes.merging(["unit": .string(unit)]) { $1 })
    defer { allocation.remove() }
    _ = try await self.startTask(allocation.config)
    let result: Result<R, any Error>
    do { result = .success(try await body(allocation)) } catch { result = .failure(error) }
    try await self.destroyTask(allocation.config.id, force: true)
    return try result.get()
  }

  /// Waits for an event of a task that exists, or that is still to come.
  @discardableResult
  func event(_ text: String) async throws -> TaskEvent {
    struct Found: Error { let event: TaskEvent }
    do {
      _ = try await withDeadline(after: .seconds(60)) {
        try await self.taskEvents { if $0.message.contains(text) { throw Found(event: $0) } }
      }
    } catch let found as Found {
      return found.event
    }
    throw NeverHeld(what: "an event with '\(text)'")
  }

  /// Ends the streams of events, as the end of the plugin does.
  func endEvents() { self.shutdown() }

  /// Ends all events, and gives those of the tasks that exist.
  func lastEvents() async throws -> [String] {
    self.endEvents()
    let events = TaskEvents()
    try await self.taskEvents { events.append($0) }
    return events.all.map(\.message)
  }

  /// Whether the driver has a task.
  func knows(_ id: String) async throws -> Bool {
    do {
      _ = try await self.inspectTask(id)
      return true
    } catch DriverError.taskNotFound {
      return false
    }
  }
}

extension DriverError {
  /// Whether Nomad tries again.
  var isRecoverable: Bool { if case .recoverable = self { true } else { false } }

  /// Whether Nomad does not try again.
  var isUnrecoverable: Bool { if case .unrecoverable = self { true } else { false } }
}
