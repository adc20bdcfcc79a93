import AsyncPrimitives
import Logging
import Systemd

/// Delivers the last lines of a unit that has ended, with limits on how long that may take.
actor LogDrain {
  private let unit: UnitName
  private let logs: LogDelivery
  private let sync: @Sendable () async throws -> Void
  private let read: @Sendable () async throws -> Void
  private let logger: Logger
  private var isSynced = false

  /// How long the last lines may take without any progress, journald and a slow collector included.
  private static let standstillLimit: Duration = .seconds(10)
  /// How long they may take in all.
  private static let timeLimit: Duration = .seconds(300)
  /// For how long journald is asked again if it does not confirm that it has written all lines, and how often.
  private static let syncRetryPeriod: Duration = .seconds(2)
  private static let syncRetryDelay: Duration = .milliseconds(100)

  /// - Parameters:
  ///   - syncing: waits until journald has written all that was logged so far.
  ///   - reading: delivers what the journal has.
  init(
    of unit: UnitName, to logs: LogDelivery, logger: Logger,
    syncing: @escaping @Sendable () async throws -> Void,
    reading: @escaping @Sendable () async throws -> Void
  ) {
    self.unit = unit
    self.logs = logs
    self.logger = logger
    self.sync = syncing
    self.read = reading
  }

  /// Delivers what is left, or gives it up at a limit, or stops when the task is cancelled.
  func run() async {
    let isComplete = try? await withDeadline(after: Self.timeLimit) {
      await withTaskGroup(of: Bool.self) { group in
        group.addTask {
          await self.deliverRest()
          return true
        }
        group.addTask {
          await self.waitForStandstill()
          return false
        }
        defer { group.cancelAll() }
        return await group.next() ?? false
      }
    }
    guard isComplete != true, !Task.isCancelled else { return }
    self.logger.warning(
      """
      Giving up the last lines of the unit: the task's log collector does not take them, or journalctl does not print \
      them.
      """, metadata: ["unit": "\(self.unit)"])
  }

  private func waitForStandstill() async {
    var last: Int?
    while true {
      let progress = await self.progress
      if progress == last { return }
      last = progress
      guard (try? await Task.sleep(for: Self.standstillLimit)) != nil else { return }
    }
  }

  private var progress: Int {
    get async { await self.logs.writeCount + (self.isSynced ? 1 : 0) }
  }

  private func deliverRest() async {
    do {
      try await self.syncWithRetries()
    } catch {
      self.logger.warning(
        "journald does not confirm that it has written all lines.", metadata: ["error": "\(error)"])
    }
    self.isSynced = true
    do {
      try await self.read()
    } catch {
      self.logger.warning(
        "The last lines of the unit may be missing from the task's logs.",
        metadata: ["unit": "\(self.unit)", "error": "\(error)"])
    }
  }

  private func syncWithRetries() async throws {
    let deadline = ContinuousClock.now + Self.syncRetryPeriod
    while true {
      do {
        return try await self.sync()
      } catch let error as SystemdError where error.reason != .accessDenied && ContinuousClock.now < deadline
      {
        // journald may just be restarted.
        try await Task.sleep(for: Self.syncRetryDelay)
      }
    }
  }
}
