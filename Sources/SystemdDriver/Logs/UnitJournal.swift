import AsyncPrimitives
import Logging
import NomadPlugin
import Systemd

/// The journal of a task's unit, with two consumers: the task, which takes hints of what happens to the unit, and the
/// delivery of the task's logs.
///
/// Each batch of entries goes to the task first. If log collection is off, only what the service manager says about the
/// unit is followed.
actor UnitJournal {
  /// What a unit's journal tells the task.
  enum Event: Sendable, Hashable {
    /// The service manager has said something about the unit.
    case lifecycle(JournalEntry)
    /// journald has dropped entries of the unit, in its words.
    case suppressed(String)
    /// The journal cannot be followed, for this reason.
    case unavailable(String)
  }

  typealias EventHandler = @Sendable (Event) async -> Void

  /// nil if log collection is off.
  nonisolated let logs: LogDelivery?

  private let unit: UnitName
  private let journalctl: Journalctl
  private let followers: JournalFollowers
  private let logger: Logger
  /// The units whose entries are wanted.
  private var units: [UnitName]
  private let unitsChanged = AsyncSignal()
  /// Where to read on as long as no line has been delivered.
  private var position: JournalPosition
  /// How many batches of entries both consumers have taken.
  private var batchCount = 0

  /// The delays before the journal is followed again after that failed.
  private static let retryDelays: ClosedRange<Duration> = .seconds(1)...(.seconds(30))
  /// How many failures in a row are reported to the operator. A journalctl that ends now and then is not.
  private static let reportedFailureCount = 2

  /// - Parameters:
  ///   - unit: the task's unit.
  ///   - triggered: further units whose entries go to the logs.
  ///   - position: where to begin.
  ///   - resumes: whether to go on where an earlier process of the plugin ended, if that is known.
  ///   - bootID: of the boot that this is; nil if the unit's host is another one.
  /// - Throws: `DriverError` if a FIFO is not what it should be.
  init(
    of unit: UnitName, and triggered: [UnitName] = [], for task: TaskConfig,
    _ configuration: LogConfiguration, from position: JournalPosition, resumes: Bool, bootID: String? = nil,
    journalctl: Journalctl, followers: JournalFollowers, logger: Logger
  ) throws {
    self.unit = unit
    self.units = [unit] + triggered
    self.journalctl = journalctl
    self.followers = followers
    self.logger = logger
    self.logs = try LogDelivery(for: task, configuration, resumes: resumes, logger: logger)
    self.position = position
    if self.logs == nil, resumes, let now = bootID.flatMap({ JournalCursor.now(inBoot: $0) }) {
      // The first poll tells what all that was said before has come to.
      self.position = .after(now)
    }
  }

  /// Sets the units that the task's unit triggers, whose entries go to the logs as well.
  func setTriggered(_ triggered: [UnitName]) {
    let units = [self.unit] + triggered
    guard self.logs != nil, units != self.units else { return }
    self.units = units
    self.unitsChanged.send()
  }

  // MARK: Following

  /// Hands out entries as they come, until the task is cancelled. While the log collector does not read, nothing more
  /// is read.
  func follow(_ onEvent: @escaping EventHandler) async {
    var backoff = RetryBackoff(Self.retryDelays)
    while !Task.isCancelled {
      let progress = await self.progress
      do {
        try await self.followUntilUnitsChange(onEvent)
      } catch is CancellationError {
        return
      } catch {
        let delay = backoff.delayAfterFailure(madeProgress: await self.progress > progress)
        await self.report(error, failureCount: backoff.failureCount, onEvent)
        try? await Task.sleep(for: delay)
      }
    }
  }

  private var progress: Int {
    get async { await self.logs?.writeCount ?? self.batchCount }
  }

  private func followUntilUnitsChange(_ onEvent: @escaping EventHandler) async throws {
    let changeCount = self.unitsChanged.count
    let (selection, position) = (self.selection, await self.nextPosition)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        try await self.followers.follow(selection, after: position) { try await self.take($0, onEvent) }
      }
      group.addTask { try await self.unitsChanged.wait(after: changeCount) }
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  private var selection: JournalSelection {
    guard let logs = self.logs else {
      return JournalSelection(units: [self.unit], scope: .manager, detail: .line)
    }
    return JournalSelection(units: self.units, detail: logs.detail)
  }

  private var nextPosition: JournalPosition {
    get async { await self.logs?.cursor.map { .after($0) } ?? self.position }
  }

  private func take(_ entries: [JournalEntry], _ onEvent: EventHandler) async throws {
    for entry in entries {
      if entry.isLifecycle { await onEvent(.lifecycle(entry)) }
      if entry.isSuppression { await onEvent(.suppressed(String(decoding: entry.message, as: UTF8.self))) }
    }
    if let logs = self.logs {
      try await logs.deliver(entries)
    } else if let last = entries.last {
      self.position = .after(last.cursor)
    }
    self.batchCount += 1
  }

  private func report(_ error: any Error, failureCount: Int, _ onEvent: EventHandler) async {
    guard self.logs != nil else {
      // The task is polled all the same, and systemd may have no journal at all.
      return self.logger.log(
        level: failureCount < Self.reportedFailureCount ? .warning : .debug,
        "Cannot follow what systemd says about the unit: its restarts are seen at the next poll.",
        metadata: ["unit": "\(self.unit)", "error": "\(error)"])
    }
    self.logger.warning(
      "The journal of the unit cannot be followed; trying again.",
      metadata: ["unit": "\(self.unit)", "error": "\(error)"])
    if failureCount == Self.reportedFailureCount { await onEvent(.unavailable("\(error)")) }
  }

  // MARK: The end

  /// Delivers the rest of the logs when the unit has ended and nobody follows any more, and ends them.
  ///
  /// - Throws: `CancellationError` if the task is cancelled: the logs are left for the next process of the plugin.
  func finish(_ onEvent: @escaping EventHandler) async throws {
    guard let logs = self.logs else { return }
    let drain = LogDrain(of: self.unit, to: logs, logger: self.logger) {
      try await self.followers.sync()
    } reading: {
      try await self.read(onEvent)
    }
    await drain.run()
    try Task.checkCancellation()
    await logs.end()
  }

  private func read(_ onEvent: @escaping EventHandler) async throws {
    let (selection, position) = (self.selection, await self.nextPosition)
    try await self.journalctl.read(
      selection.units, selection.scope, after: position, selection.detail
    ) { @Sendable entries in
      try await self.take(entries, onEvent)
    }
  }
}
