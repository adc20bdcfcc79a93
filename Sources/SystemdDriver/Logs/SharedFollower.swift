import AsyncPrimitives
import Processes
import Synchronization
import Systemd

/// Follows the whole journal by one journalctl, for the units of many tasks.
///
/// A subscriber first reads the journal of its own units to the end, while new entries are kept for it. One that does
/// not take its entries fast enough loses what is kept and reads again. It holds up nobody.
final class SharedFollower: Sendable {
  private struct State {
    var subscriptions: [ObjectIdentifier: JournalSubscription] = [:]
    /// The subscriptions to each unit's entries, by the unit's name.
    var byUnit: [String: [JournalSubscription]] = [:]
    /// Whether the whole journal is followed from a known position on.
    var isFollowing = false

    func subscriptions(for entry: JournalEntry) -> [JournalSubscription] {
      var found: [JournalSubscription] = []
      entry.forEachUnit { unit in
        for subscription in self.byUnit[unit] ?? []
        where subscription.selection.includes(entry) && !found.contains(where: { $0 === subscription }) {
          found.append(subscription)
        }
      }
      return found
    }
  }

  private let journalctl: Journalctl
  private let watch: FollowerWatch
  private let detail: JournalEntry.Detail
  private let state = Mutex(State())
  private let subscriptionsChanged = AsyncSignal()
  /// Few subscribers read for themselves at once.
  private let reads = CommandLimiter(width: 4)

  /// The delay before the journal is followed again after that failed.
  private static let retryDelays: ClosedRange<Duration> = .seconds(1)...(.seconds(1))

  /// - Parameters:
  ///   - detail: how much of the entries is needed, the units that they are of included.
  ///   - watch: what follows the journal.
  init(_ journalctl: Journalctl, _ detail: JournalEntry.Detail, by watch: FollowerWatch) {
    self.journalctl = journalctl
    self.watch = watch
    self.detail = detail
  }

  // MARK: Following for all

  /// Follows the journal whenever there are subscribers, until the task is cancelled.
  func run() async {
    var backoff = RetryBackoff(Self.retryDelays)
    while (try? await self.waitForSubscriptions { !$0.isEmpty }) != nil {
      do {
        try await self.followWhileSubscribed()
        self.end(nil)
      } catch {
        self.end(error)
        try? await Task.sleep(for: backoff.delayAfterFailure(madeProgress: false))
      }
    }
    self.end(CancellationError())
  }

  private func waitForSubscriptions(
    _ isWanted: @Sendable ([ObjectIdentifier: JournalSubscription]) -> Bool
  ) async throws {
    while true {
      try Task.checkCancellation()
      let changeCount = self.subscriptionsChanged.count
      if self.state.withLock({ isWanted($0.subscriptions) }) { return }
      try await self.subscriptionsChanged.wait(after: changeCount)
    }
  }

  private func followWhileSubscribed() async throws {
    let position = try await self.journalctl.currentCursor().map { JournalPosition.after($0) } ?? .beginning
    self.start()
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        try await self.watch.follow(JournalSelection(units: [], detail: self.detail), after: position) {
          self.distribute($0)
        }
      }
      group.addTask { try await self.waitForSubscriptions { $0.isEmpty } }
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  private func start() {
    let subscriptions = self.state.withLock { state in
      state.isFollowing = true
      return Array(state.subscriptions.values)
    }
    for subscription in subscriptions { subscription.started.fulfil(()) }
  }

  /// Ends all subscriptions. Those who subscribe anew have the journal followed again.
  private func end(_ error: (any Error)?) {
    let subscriptions = self.state.withLock { state in
      defer { state = State() }
      return Array(state.subscriptions.values)
    }
    for subscription in subscriptions { subscription.end(error) }
  }

  private func distribute(_ entries: [JournalEntry]) {
    var batches: [ObjectIdentifier: (subscription: JournalSubscription, entries: [JournalEntry])] = [:]
    self.state.withLock { state in
      for entry in entries {
        for subscription in state.subscriptions(for: entry) {
          batches[ObjectIdentifier(subscription), default: (subscription, [])].entries.append(entry)
        }
      }
    }
    for batch in batches.values { batch.subscription.append(batch.entries) }
  }

  // MARK: Following for one

  /// Hands out entries like `Journalctl.follow`. Needs ``run()``.
  func follow(
    _ selection: JournalSelection, after position: JournalPosition,
    _ onEntries: @escaping @Sendable ([JournalEntry]) async throws -> Void
  ) async throws {
    var position = position
    while true {
      let subscription = self.subscribe(selection)
      defer { self.unsubscribe(subscription) }
      try await subscription.started.value
      // This reads the journal at least to where the shared follower began, so that nothing is missed.
      position = try await self.read(selection, after: position, onEntries)
      var isPastRead = false
      while var entries = try await subscription.next() {
        if !isPastRead, case .after(let last) = position {
          entries.removeAll { $0.cursor.isSameEntry(as: last) || $0.cursor.precedes(last) }
        }
        guard let last = entries.last else { continue }
        isPastRead = true
        try await onEntries(entries)
        position = .after(last.cursor)
      }
    }
  }

  /// Hands out the entries that there are.
  ///
  /// - Returns: the position after the last one.
  private func read(
    _ selection: JournalSelection, after position: JournalPosition,
    _ onEntries: @escaping @Sendable ([JournalEntry]) async throws -> Void
  ) async throws -> JournalPosition {
    try await self.reads.run {
      var end = position
      try await self.journalctl.read(
        selection.units, selection.scope, after: position, selection.detail
      ) { entries in
        try await onEntries(entries)
        if let last = entries.last { end = .after(last.cursor) }
      }
      return end
    }
  }

  private func subscribe(_ selection: JournalSelection) -> JournalSubscription {
    let subscription = JournalSubscription(selection)
    self.state.withLock { state in
      state.subscriptions[ObjectIdentifier(subscription)] = subscription
      for unit in selection.units { state.byUnit[unit.name, default: []].append(subscription) }
      if state.isFollowing { subscription.started.fulfil(()) }
    }
    self.subscriptionsChanged.send()
    return subscription
  }

  private func unsubscribe(_ subscription: JournalSubscription) {
    self.state.withLock { state in
      guard state.subscriptions.removeValue(forKey: ObjectIdentifier(subscription)) != nil else { return }
      for unit in subscription.selection.units {
        state.byUnit[unit.name]?.removeAll { $0 === subscription }
        if state.byUnit[unit.name]?.isEmpty == true { state.byUnit[unit.name] = nil }
      }
    }
    self.subscriptionsChanged.send()
  }
}
