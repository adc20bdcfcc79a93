import AsyncPrimitives
import Logging
import Processes
import Systemd

/// Delivers the last lines of a unit that has ended, with limits on how long that may take.
///
/// journald confirms that it has written all lines when it has nothing else to do. While it has not, lines are delivered as
/// they come. So a unit that has left journald much, or a busy neighbour, costs time and no lines.
struct LogDrain: Sendable {
  private let work: Work
  private let standstillLimit: Duration
  private let logger: Logger

  /// What a drain does, and how it sees that something moves.
  struct Work: Sendable {
    /// Waits until journald has written all that was logged so far.
    var sync: @Sendable () async throws -> Void
    /// Delivers what comes to the journal, until the task is cancelled.
    var follow: @Sendable () async -> Void
    /// Delivers what the journal has.
    var read: @Sendable () async throws -> Void
    /// Grows as long as lines are delivered.
    var progress: @Sendable () async -> Int
  }

  /// How a part of the work has ended.
  private enum Outcome: Sendable {
    case done
    case failed(any Error)
    case stoodStill
  }

  /// How long it may take in all.
  private static let timeLimit: Duration = .seconds(300)
  /// How long journald may take before its lines are delivered as they come: most often it takes milliseconds.
  private static let followDelay: Duration = .seconds(1)
  /// For how long journald is asked again if that fails, and how often.
  private static let syncRetryPeriod: Duration = .seconds(2)
  private static let syncRetryDelay: Duration = .milliseconds(100)

  /// - Parameter standstillLimit: how long it may take without any progress, journald and a slow collector included.
  init(_ work: Work, standstillLimit: Duration = .seconds(10), logger: Logger) {
    self.work = work
    self.standstillLimit = standstillLimit
    self.logger = logger
  }

  /// Delivers what is left, or gives it up at a limit, or stops when the task is cancelled.
  ///
  /// - Returns: why lines may be missing; nil if none are.
  func run() async -> String? {
    let deadline = ContinuousClock.now + Self.timeLimit
    let sync = await self.whileMoving(until: deadline) { try await self.syncAndFollow() }
    let read = await self.whileMoving(until: deadline) { try await self.work.read() }
    guard !Task.isCancelled else { return nil }
    let problem = self.problem(sync, read)
    if let problem {
      self.logger.warning("The last lines may be missing.", metadata: ["reason": "\(problem)"])
    }
    return problem
  }

  private func problem(_ sync: Outcome, _ read: Outcome) -> String? {
    switch (sync, read) {
    case (_, .failed(let error)): return "\(error)"
    case (_, .stoodStill):
      return "the task's log collector does not take them, or journalctl does not print them"
    case (.stoodStill, .done): return "journald has not confirmed in time that it has written all"
    case (.failed(let error), .done):
      guard (error as? SystemdError)?.reason != .accessDenied else {
        self.logger.warning("journald cannot be asked for the last lines.", metadata: ["error": "\(error)"])
        return nil
      }
      return "journald has not confirmed that it has written all: \(error)"
    case (.done, .done): return nil
    }
  }

  /// Does something as long as lines are delivered.
  private func whileMoving(
    until deadline: ContinuousClock.Instant, _ body: @escaping @Sendable () async throws -> Void
  ) async -> Outcome {
    let outcome = try? await withDeadline(deadline) {
      await withTaskGroup(of: Outcome.self) { group in
        group.addTask {
          do {
            try await body()
            return .done
          } catch {
            return .failed(error)
          }
        }
        group.addTask {
          await self.waitForStandstill()
          return .stoodStill
        }
        defer { group.cancelAll() }
        return await group.next() ?? .stoodStill
      }
    }
    return outcome ?? .stoodStill
  }

  private func waitForStandstill() async {
    var last: Int?
    while true {
      let progress = await self.work.progress()
      if progress == last { return }
      last = progress
      guard (try? await Task.sleep(for: self.standstillLimit)) != nil else { return }
    }
  }

  private func syncAndFollow() async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await self.syncWithRetries() }
      group.addTask {
        try await Task.sleep(for: Self.followDelay)
        await self.work.follow()
        throw CancellationError()
      }
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  private func syncWithRetries() async throws {
    let deadline = ContinuousClock.now + Self.syncRetryPeriod
    while true {
      do {
        return try await self.work.sync()
      } catch let error as SystemdError where Self.canSucceed(after: error, until: deadline) {
        // journald may just be restarted, or have too much to do.
        try await Task.sleep(for: Self.syncRetryDelay)
      }
    }
  }

  private static func canSucceed(after error: SystemdError, until deadline: ContinuousClock.Instant) -> Bool {
    if case .command(.timedOut) = error.reason { return true }
    return error.reason != .accessDenied && ContinuousClock.now < deadline
  }
}
