import AsyncPrimitives
import Synchronization
import Systemd

/// How far one journalctl that follows the journal is.
final class FollowerProgress: Sendable {
  /// What it was asked for; no units for the whole journal.
  let selection: JournalSelection
  /// Fulfilled when it is to be replaced.
  let isReplaced = Promise<Void>()
  private let state: Mutex<(position: JournalPosition, batchCount: Int, isHandingOut: Bool)>

  init(_ selection: JournalSelection, after position: JournalPosition) {
    self.selection = selection
    self.state = Mutex((position, 0, false))
  }

  /// Hands out entries, and notes that.
  func handOut(
    _ entries: [JournalEntry], _ onEntries: @Sendable ([JournalEntry]) async throws -> Void
  ) async throws {
    self.state.withLock { $0.isHandingOut = true }
    try await onEntries(entries)
    self.state.withLock { state in
      state.isHandingOut = false
      state.batchCount += 1
      if let last = entries.last { state.position = .after(last.cursor) }
    }
  }

  /// How many batches of entries it has handed out; nil while it does so.
  var idleCount: Int? { self.state.withLock { $0.isHandingOut ? nil : $0.batchCount } }

  /// Whether an entry of the journal is one that it has to hand out, and has not.
  func lacks(_ entry: JournalEntry) -> Bool {
    guard self.selection.units.isEmpty || self.selection.includes(entry) && self.isOfUnits(entry) else {
      return false
    }
    return switch self.state.withLock(\.position) {
    case .beginning: true
    case .since(let time): entry.realtime.microseconds >= time.microseconds
    case .after(let cursor): cursor.precedes(entry.cursor) && !cursor.isSameEntry(as: entry.cursor)
    }
  }

  private func isOfUnits(_ entry: JournalEntry) -> Bool {
    var isOfUnits = false
    entry.forEachUnit { unit in
      isOfUnits = isOfUnits || self.selection.units.contains { $0.name == unit }
    }
    return isOfUnits
  }
}
