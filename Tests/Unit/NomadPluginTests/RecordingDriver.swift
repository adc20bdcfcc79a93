import Foundation
import Synchronization

@testable import NomadPlugin

/// A driver that keeps what it was called with and answers what a test gave it, or fails as the test wants.
final class RecordingDriver: TaskDriver {
  enum Call: Equatable {
    case configure(PluginConfiguration)
    case startTask(TaskConfig)
    case recoverTask(TaskHandle)
    case waitTask(String)
    case stopTask(String, Duration, String?)
    case destroyTask(String, force: Bool)
    case inspectTask(String)
    case taskStats(String, Duration)
    case shutdown
    case signalTask(String, String)
    case execTask(String, [String], Duration)
  }

  struct Answers {
    var info = PluginInfo(name: "recording", version: "1.2.3")
    var configurationSchema: HCLSpec = .object([:])
    var taskConfigurationSchema: HCLSpec = .object([:])
    var capabilities = DriverCapabilities()
    var fingerprints: [Fingerprint] = []
    var handle = TaskHandle(config: TaskConfig(id: "none"), driverState: [])
    var exitResult = ExitResult(exitCode: 0)
    var status = TaskStatus(id: "", name: "", state: .unknown)
    var usages: [TaskResourceUsage] = []
    var events: [TaskEvent] = []
    var execResult = ExecResult(stdout: [], stderr: [], exitResult: ExitResult(exitCode: 0))
    var failure: (any Error)?
  }

  private let answers: Answers
  private let recorded = Mutex<[Call]>([])

  init(_ change: (inout Answers) -> Void = { _ in }) {
    var answers = Answers()
    change(&answers)
    self.answers = answers
  }

  var calls: [Call] { recorded.withLock { $0 } }

  private func record(_ call: Call) throws {
    recorded.withLock { $0.append(call) }
    if let failure = answers.failure { throw failure }
  }

  var info: PluginInfo { answers.info }
  var configurationSchema: HCLSpec { answers.configurationSchema }
  var taskConfigurationSchema: HCLSpec { answers.taskConfigurationSchema }
  var capabilities: DriverCapabilities { get async { answers.capabilities } }

  func configure(_ configuration: PluginConfiguration) async throws {
    try record(.configure(configuration))
  }

  func fingerprint(_ report: @escaping @Sendable (Fingerprint) async throws -> Void) async throws {
    for fingerprint in answers.fingerprints { try await report(fingerprint) }
    if let failure = answers.failure { throw failure }
  }

  func startTask(_ config: TaskConfig) async throws -> TaskHandle {
    try record(.startTask(config))
    return answers.handle
  }

  func recoverTask(_ handle: TaskHandle) async throws { try record(.recoverTask(handle)) }

  func waitTask(_ id: String) async throws -> ExitResult {
    try record(.waitTask(id))
    return answers.exitResult
  }

  func stopTask(_ id: String, timeout: Duration, signal: String?) async throws {
    try record(.stopTask(id, timeout, signal))
  }

  func destroyTask(_ id: String, force: Bool) async throws { try record(.destroyTask(id, force: force)) }

  func inspectTask(_ id: String) async throws -> TaskStatus {
    try record(.inspectTask(id))
    return answers.status
  }

  func taskStats(
    _ id: String, interval: Duration, _ report: @escaping @Sendable (TaskResourceUsage) async throws -> Void
  ) async throws {
    try record(.taskStats(id, interval))
    for usage in answers.usages { try await report(usage) }
  }

  func taskEvents(_ report: @escaping @Sendable (TaskEvent) async throws -> Void) async throws {
    for event in answers.events { try await report(event) }
    if let failure = answers.failure { throw failure }
  }

  func shutdown() async throws { try record(.shutdown) }

  func signalTask(_ id: String, signal: String) async throws { try record(.signalTask(id, signal)) }

  func execTask(_ id: String, command: [String], timeout: Duration) async throws -> ExecResult {
    try record(.execTask(id, command, timeout))
    return answers.execResult
  }
}
