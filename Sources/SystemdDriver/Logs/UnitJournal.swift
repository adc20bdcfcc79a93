import AsyncPrimitives
import Foundation
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
    /// The journal has nothing more of what was logged between these times.
    case lost(RealtimeTimestamp, RealtimeTimestamp)
    /// The last lines are given up, for this reason.
    case incomplete(String)
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
  /// Whether the last follower may have left entries, which may be gone from the journal by now.
  private var mayHaveLeftEntries: Bool
  /// The begin of the last loss that was told.
  private var toldLossBegin: RealtimeTimestamp?
  /// The sequences for which the journal was followed anew.
  private var knownSequences: Set<Substring> = []
  private let patience: Duration
  private let mayLoseEntries: Bool

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
  ///   - patience: for how long a follower goes on while the collector makes it wait.
  ///   - mayLoseEntries: whether the journal may have removed entries that were not read: not so one that is replayed.
  /// - Throws: `DriverError` if a FIFO is not what it should be.
  init(
    of unit: UnitName, and triggered: [UnitName] = [], for task: TaskConfig,
    _ configuration: LogConfiguration, from position: JournalPosition, resumes: Bool, bootID: String? = nil,
    patience: Duration = .seconds(10), mayLoseEntries: Bool = true, journalctl: Journalctl,
    followers: JournalFollowers, logger: Logger
  ) throws {
    self.unit = unit
    self.units = [unit] + triggered
    self.journalctl = journalctl
    self.followers = followers
    self.logger = logger
    self.logs = try LogDelivery(for: task, configuration, resumes: resumes, logger: logger)
    self.position = position
    self.patience = patience
    self.mayLoseEntries = mayLoseEntries
    self.mayHaveLeftEntries = resumes
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
      } catch is FollowedAnew {
        continue
      } catch {
        self.mayHaveLeftEntries = true
        let delay = backoff.delayAfterFailure(madeProgress: await self.progress > progress)
        await self.report(error, failureCount: backoff.failureCount, onEvent)
        try? await Task.sleep(for: delay)
      }
    }
  }

  private var progress: Int {
    get async { await self.logs?.writeCount ?? self.batchCount }
  }

  /// A follower is no good any more: another one is to go on after the last line.
  private struct FollowedAnew: Error {}

  private func followUntilUnitsChange(_ onEvent: @escaping EventHandler) async throws {
    let changeCount = self.unitsChanged.count
    let (selection, position, tellsLoss) = (self.selection, await self.nextPosition, await self.tellsLoss)
    let end = ContinuousClock.now + self.patience
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        try await self.followers.follow(selection, after: position) { entries in
          if await self.isOfAnotherSequence(entries) { throw FollowedAnew() }
          let hadToWait = try await self.take(entries, tellsLoss: tellsLoss, onEvent)
          // It does not see the files that journald has made, and removed again, meanwhile.
          if hadToWait, ContinuousClock.now > end {
            await self.leaveEntries()
            throw FollowedAnew()
          }
        }
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

  /// Whether the entry that reading goes on after may be gone together with later ones. Only a delivered line has such an
  /// entry for sure.
  private var tellsLoss: Bool {
    get async {
      guard self.mayHaveLeftEntries, self.mayLoseEntries else { return false }
      return await self.logs?.cursor != nil
    }
  }

  /// Whether entries come from where the journal has moved: what it had elsewhere meanwhile may have been passed over.
  private func isOfAnotherSequence(_ entries: [JournalEntry]) async -> Bool {
    guard let sequence = entries.last?.cursor.sequence, let last = await self.logs?.cursor?.sequence,
      sequence != last
    else { return false }
    return self.knownSequences.insert(sequence).inserted
  }

  private func leaveEntries() { self.mayHaveLeftEntries = true }

  /// - Returns: whether the collector has made it wait.
  private func take(
    _ entries: [JournalEntry], tellsLoss: Bool, _ onEvent: EventHandler
  ) async throws -> Bool {
    var entries = entries
    if let first = entries.first, let begin = first.lossBegin {
      if !tellsLoss {
        entries[0].lossBegin = nil
      } else if begin != self.toldLossBegin {
        self.toldLossBegin = begin
        await onEvent(.lost(begin, first.realtime))
      }
    }
    for entry in entries {
      if entry.isLifecycle { await onEvent(.lifecycle(entry)) }
      if entry.isSuppression { await onEvent(.suppressed(String(decoding: entry.message, as: UTF8.self))) }
    }
    defer { self.batchCount += 1 }
    guard let logs = self.logs else {
      if let last = entries.last { self.position = .after(last.cursor) }
      return false
    }
    let waitCount = await logs.waitCount
    self.mayHaveLeftEntries = true
    try await logs.deliver(entries)
    self.mayHaveLeftEntries = false
    return await logs.waitCount != waitCount
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
    let work = LogDrain.Work {
      try await self.followers.sync()
    } follow: {
      await self.follow(onEvent)
    } read: {
      try await self.read(onEvent)
    } progress: {
      await logs.writeCount
    }
    let problem = await LogDrain(work, logger: self.logger).run()
    try Task.checkCancellation()
    if let problem {
      await logs.write(.incomplete(reason: problem), at: RealtimeTimestamp(Date()))
      await onEvent(.incomplete(problem))
    }
    await logs.end()
  }

  private func read(_ onEvent: @escaping EventHandler) async throws {
    let (selection, position, tellsLoss) = (self.selection, await self.nextPosition, await self.tellsLoss)
    try await self.journalctl.read(
      selection.units, selection.scope, after: position, selection.detail
    ) { @Sendable entries in
      _ = try await self.take(entries, tellsLoss: tellsLoss, onEvent)
    }
  }
}
