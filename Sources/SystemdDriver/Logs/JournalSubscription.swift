import AsyncPrimitives
import Synchronization
import Systemd

/// One subscriber of a `SharedFollower`: keeps its entries until it takes them.
final class JournalSubscription: Sendable {
  private struct State {
    var entries: [JournalEntry] = []
    var size = 0
    var end: Result<Void, any Error>?
  }

  let selection: JournalSelection
  /// Fulfilled when every entry that comes from now on is kept, or nothing comes any more.
  let started = Promise<Void>()
  private let state = Mutex(State())
  private let changed = AsyncSignal()

  /// How much is kept, in bytes, the last entry not counted.
  private static let sizeLimit = 64 << 10

  init(_ selection: JournalSelection) { self.selection = selection }

  /// Keeps entries. If there is no room for all of them, those and all that come later are dropped, and the subscription
  /// ends: the subscriber reads them from the journal.
  func append(_ entries: [JournalEntry]) {
    self.state.withLock { state in
      guard state.end == nil else { return }
      for entry in entries {
        guard state.entries.isEmpty || state.size < Self.sizeLimit else {
          state.entries = []
          state.end = .success(())
          break
        }
        state.entries.append(entry)
        state.size += entry.approximateSize
      }
    }
    self.changed.send()
  }

  /// Ends the subscription after the entries that are kept.
  ///
  /// - Parameter error: why nothing more comes; nil if the subscriber can subscribe anew.
  func end(_ error: (any Error)?) {
    self.state.withLock { state in
      if state.end == nil { state.end = error.map { .failure($0) } ?? .success(()) }
    }
    self.changed.send()
    self.started.fulfil(())
  }

  /// The next entries; nil if the subscription has ended.
  ///
  /// - Throws: the error that it has ended with; `CancellationError`.
  func next() async throws -> [JournalEntry]? {
    while true {
      let count = self.changed.count
      let (entries, end) = self.state.withLock { state in
        defer {
          state.entries = []
          state.size = 0
        }
        return (state.entries, state.end)
      }
      if !entries.isEmpty { return entries }
      if let end {
        try end.get()
        return nil
      }
      try await self.changed.wait(after: count)
    }
  }
}

extension JournalEntry {
  fileprivate var approximateSize: Int { 512 + self.message.count + (self.json?.count ?? 0) }
}
