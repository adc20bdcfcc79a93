import AsyncPrimitives
import Synchronization
import Systemd

/// What comes for one of those who have joined a `SharedFollower`, kept for it until it takes it.
final class JournalSubscription: Sendable {
  private struct State {
    var entries: [JournalEntry] = []
    var size = 0
    var end: Result<Void, any Error>?
    var news = Promise<Void>()
  }

  let units: [UnitName]
  /// Fulfilled when every entry that comes from now on is kept.
  let begun = Promise<Void>()
  private let state = Mutex(State())

  /// How much is kept, in bytes, not counting one entry.
  private static let sizeLimit = 64 << 10

  init(_ units: [UnitName]) { self.units = units }

  func append(_ entries: [JournalEntry]) {
    self.state.withLock { state in
      guard state.end == nil else { return }
      for entry in entries {
        guard state.entries.isEmpty || state.size < Self.sizeLimit else {
          // The reader comes to these by itself.
          state.entries = []
          state.end = .success(())
          break
        }
        state.entries.append(entry)
        state.size += entry.approximateSize
      }
      state.news.fulfil(())
    }
  }

  /// - Parameter error: why nothing more comes; nil if it comes to whoever joins anew.
  func end(_ error: (any Error)?) {
    self.state.withLock { state in
      if state.end == nil { state.end = error.map { .failure($0) } ?? .success(()) }
      state.news.fulfil(())
    }
    self.begun.fulfil(())
  }

  /// What has come; nil if something did not find room, or this has ended.
  func next() async throws -> [JournalEntry]? {
    while true {
      let news = Promise<Void>()
      let (entries, end) = self.state.withLock { state in
        defer {
          state.entries = []
          state.size = 0
          state.news = news
        }
        return (state.entries, state.end)
      }
      if !entries.isEmpty { return entries }
      if let end {
        try end.get()
        return nil
      }
      try await news.value
    }
  }
}

extension JournalEntry {
  fileprivate var approximateSize: Int { 512 + self.message.count + (self.json?.count ?? 0) }
}
