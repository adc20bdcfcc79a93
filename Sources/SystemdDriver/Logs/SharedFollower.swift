import AsyncPrimitives
import Processes
import Synchronization
import Systemd

/// Follows the whole journal by one journalctl, for the units of many tasks.
///
/// Whoever joins reads the journal of its own units to the end first, while what comes is kept for it. One that does not
/// take its entries fast enough for what is kept goes back to that, and holds up nobody.
final class SharedFollower: Sendable {
  private struct State {
    var subscriptions: [ObjectIdentifier: JournalSubscription] = [:]
    /// Those that want the entries of a unit.
    var byUnit: [String: [JournalSubscription]] = [:]
    /// Whether the whole journal is followed from a known position on.
    var isFollowing = false
    var joined = Promise<Void>()
    var left = Promise<Void>()

    func subscriptions(wanting entry: JournalEntry) -> [JournalSubscription] {
      var found: [JournalSubscription] = []
      entry.forEachUnit { unit in
        for subscription in self.byUnit[unit] ?? [] where !found.contains(where: { $0 === subscription }) {
          found.append(subscription)
        }
      }
      return found
    }
  }

  private let journalctl: Journalctl
  private let detail: JournalEntry.Detail
  private let state = Mutex(State())
  /// Those that read for themselves do so a few at a time.
  private let reads = CommandLimiter(width: 4)

  /// How long to wait before the journal is followed again after that failed.
  private static let retryInterval: Duration = .seconds(1)

  /// - Parameter detail: what is needed of the entries, the units that they are of included.
  init(_ journalctl: Journalctl, _ detail: JournalEntry.Detail) {
    self.journalctl = journalctl
    self.detail = detail
  }

  // MARK: Following for all

  /// Follows the journal whenever somebody wants entries, until the task is cancelled.
  func run() async {
    while !Task.isCancelled {
      guard (try? await self.state.withLock(\.joined).value) != nil else { break }
      do {
        try await self.followWhileWanted()
        self.end(nil)
      } catch {
        self.end(error)
        try? await Task.sleep(for: Self.retryInterval)
      }
    }
    self.end(CancellationError())
  }

  private func followWhileWanted() async throws {
    let position = try await self.journalctl.currentCursor().map { JournalPosition.after($0) } ?? .beginning
    self.begin()
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        try await self.journalctl.follow([], after: position, self.detail) { self.distribute($0) }
      }
      group.addTask { try await self.waitUntilUnwanted() }
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  private func begin() {
    let subscriptions = self.state.withLock { state in
      state.isFollowing = true
      return Array(state.subscriptions.values)
    }
    for subscription in subscriptions { subscription.begun.fulfil(()) }
  }

  /// Nothing more comes to those who have joined so far. What they want is followed anew when they join again.
  private func end(_ error: (any Error)?) {
    let subscriptions = self.state.withLock { state in
      defer {
        state.subscriptions = [:]
        state.byUnit = [:]
        state.isFollowing = false
        state.joined = Promise()
      }
      return Array(state.subscriptions.values)
    }
    for subscription in subscriptions { subscription.end(error) }
  }

  private func waitUntilUnwanted() async throws {
    while true {
      let left = self.state.withLock { $0.subscriptions.isEmpty ? nil : $0.left }
      guard let left else { return }
      try await left.value
    }
  }

  private func distribute(_ entries: [JournalEntry]) {
    var portions: [ObjectIdentifier: (subscription: JournalSubscription, entries: [JournalEntry])] = [:]
    self.state.withLock { state in
      for entry in entries {
        for subscription in state.subscriptions(wanting: entry) {
          portions[ObjectIdentifier(subscription), default: (subscription, [])].entries.append(entry)
        }
      }
    }
    for portion in portions.values { portion.subscription.append(portion.entries) }
  }

  // MARK: Following for one

  /// Hands out the entries of units like `Journalctl.follow`. Needs ``run()``.
  func follow(
    _ units: [UnitName], after position: JournalPosition, _ detail: JournalEntry.Detail,
    _ onEntries: @escaping @Sendable ([JournalEntry]) async throws -> Void
  ) async throws {
    var position = position
    while true {
      let subscription = self.join(units)
      defer { self.leave(subscription) }
      try await subscription.begun.value
      // From here on nothing is missed: this reads what the journal has at least to where the shared one begins.
      position = try await self.reads.run { [position] in
        var position = position
        try await self.journalctl.read(units, after: position, detail) { entries in
          try await onEntries(entries)
          if let last = entries.last { position = .after(last.cursor) }
        }
        return position
      }
      var isPastRead = false
      while var entries = try await subscription.next() {
        if !isPastRead, case .after(let last) = position {
          entries.removeAll { $0.cursor == last || $0.cursor.precedes(last) }
        }
        guard let last = entries.last else { continue }
        isPastRead = true
        try await onEntries(entries)
        position = .after(last.cursor)
      }
    }
  }

  private func join(_ units: [UnitName]) -> JournalSubscription {
    let subscription = JournalSubscription(units)
    self.state.withLock { state in
      state.subscriptions[ObjectIdentifier(subscription)] = subscription
      for unit in units { state.byUnit[unit.name, default: []].append(subscription) }
      if state.isFollowing { subscription.begun.fulfil(()) }
      state.joined.fulfil(())
    }
    return subscription
  }

  private func leave(_ subscription: JournalSubscription) {
    self.state.withLock { state in
      guard state.subscriptions.removeValue(forKey: ObjectIdentifier(subscription)) != nil else { return }
      for unit in subscription.units {
        state.byUnit[unit.name]?.removeAll { $0 === subscription }
        if state.byUnit[unit.name]?.isEmpty == true { state.byUnit[unit.name] = nil }
      }
      state.left.fulfil(())
      state.left = Promise()
    }
  }
}
