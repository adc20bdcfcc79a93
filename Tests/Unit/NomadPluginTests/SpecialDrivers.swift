import Foundation

@testable import NomadPlugin

/// What a driver must have, which these tests do not call.
protocol PartialDriver: TaskDriver {}

extension PartialDriver {
  var info: PluginInfo { PluginInfo(name: "partial", version: "0.0.1") }
  var configurationSchema: HCLSpec { .object([:]) }
  var taskConfigurationSchema: HCLSpec { .object([:]) }
  var capabilities: DriverCapabilities { get async { DriverCapabilities() } }

  func configure(_ configuration: PluginConfiguration) async throws {}
  func fingerprint(_ report: @escaping @Sendable (Fingerprint) async throws -> Void) async throws {}
  func startTask(_ config: TaskConfig) async throws -> TaskHandle { throw DriverError.taskNotFound }
  func recoverTask(_ handle: TaskHandle) async throws {}
  func waitTask(_ id: String) async throws -> ExitResult { throw DriverError.taskNotFound }
  func stopTask(_ id: String, timeout: Duration, signal: String?) async throws {}
  func destroyTask(_ id: String, force: Bool) async throws {}
  func inspectTask(_ id: String) async throws -> TaskStatus { throw DriverError.taskNotFound }
}

/// A driver that leaves out all it may leave out.
struct MinimalDriver: PartialDriver {}

/// A driver whose calls last until they are cancelled, and which tells when that happens.
struct EndlessDriver: PartialDriver {
  /// The name of each call that was cancelled.
  let ended: AsyncStream<String>
  private let end: AsyncStream<String>.Continuation

  init() {
    (ended, end) = AsyncStream.makeStream()
  }

  private func last(_ name: String) async throws {
    await untilCancelled()
    end.yield(name)
    throw CancellationError()
  }

  func fingerprint(_ report: @escaping @Sendable (Fingerprint) async throws -> Void) async throws {
    try await report(Fingerprint(health: .healthy, healthDescription: "healthy"))
    try await last("Fingerprint")
  }

  func taskStats(
    _ id: String, interval: Duration, _ report: @escaping @Sendable (TaskResourceUsage) async throws -> Void
  ) async throws {
    try await report(TaskResourceUsage(timestamp: .now))
    try await last("TaskStats")
  }

  func taskEvents(_ report: @escaping @Sendable (TaskEvent) async throws -> Void) async throws {
    try await report(
      TaskEvent(taskID: "t", taskName: "t", allocationID: "a", timestamp: .now, message: "an event"))
    try await last("TaskEvents")
  }

  func waitTask(_ id: String) async throws -> ExitResult {
    try await last("WaitTask")
    throw CancellationError()
  }

  func execTaskStreaming(
    _ request: ExecRequest, input: any AsyncSequence<ExecInput, any Error> & Sendable,
    _ output: @escaping @Sendable (ExecOutput) async throws -> Void
  ) async throws -> ExitResult {
    try await output(.stdout([1]))
    try await last("ExecTaskStreaming")
    throw CancellationError()
  }
}

/// A driver whose streaming commands are a closure.
struct ExecDriver: PartialDriver {
  typealias Command =
    @Sendable (
      ExecRequest, any AsyncSequence<ExecInput, any Error> & Sendable,
      @escaping @Sendable (ExecOutput) async throws -> Void
    ) async throws -> ExitResult

  let command: Command

  init(_ command: @escaping Command) {
    self.command = command
  }

  func execTaskStreaming(
    _ request: ExecRequest, input: any AsyncSequence<ExecInput, any Error> & Sendable,
    _ output: @escaping @Sendable (ExecOutput) async throws -> Void
  ) async throws -> ExitResult {
    try await command(request, input, output)
  }
}
