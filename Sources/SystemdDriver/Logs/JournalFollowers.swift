import Foundation
import Synchronization
import Systemd

/// Follows the journal of units: each by a journalctl of its own as long as there are not too many of them, the units
/// beyond that by one for all.
///
/// Each journalctl that follows needs an inotify instance, of which Linux gives a user 128 unless
/// `fs.inotify.max_user_instances` says otherwise. systemd needs some too, for units of the type path and for what it
/// watches itself: were all of root's taken, those would fail. So the plugin takes half of them.
final class JournalFollowers: Sendable {
  private let journalctl: Journalctl
  private let free: Mutex<Int>
  private let sharedLineFollower: SharedFollower
  private let sharedFullFollower: SharedFollower
  private let syncs: RequestCoalescer<Sync, Void>

  private enum Sync { case all }

  /// How long journald may take to say that it has all lines.
  private static let syncLimit: Duration = .seconds(5)

  /// - Parameter limit: how many units have a journalctl of their own.
  init(_ journalctl: Journalctl, limit: Int = JournalFollowers.limitOfThisHost) {
    self.journalctl = journalctl
    self.free = Mutex(limit)
    self.sharedLineFollower = SharedFollower(journalctl, .lineAndUnits)
    self.sharedFullFollower = SharedFollower(journalctl, .complete)
    self.syncs = RequestCoalescer { _ in
      try await journalctl.sync(timeLimit: Self.syncLimit)
      return [.all: ()]
    }
  }

  private static var limitOfThisHost: Int {
    let text = try? String(contentsOfFile: "/proc/sys/fs/inotify/max_user_instances", encoding: .utf8)
    return max(8, (text.flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) } ?? 128) / 2)
  }

  /// Does what several units share, until the task is cancelled.
  func run() async {
    await withDiscardingTaskGroup { group in
      group.addTask { await self.syncs.run() }
      group.addTask { await self.sharedLineFollower.run() }
      group.addTask { await self.sharedFullFollower.run() }
    }
  }

  /// Hands out the entries of units like `Journalctl.follow`. Needs ``run()``.
  func follow(
    _ units: [UnitName], after position: JournalPosition, _ detail: JournalEntry.Detail,
    _ onEntries: @escaping @Sendable ([JournalEntry]) async throws -> Void
  ) async throws {
    guard self.take() else {
      let follower = if case .complete = detail { self.sharedFullFollower } else { self.sharedLineFollower }
      return try await follower.follow(units, after: position, detail, onEntries)
    }
    defer { self.free.withLock { $0 += 1 } }
    try await self.journalctl.follow(units, after: position, detail, onEntries)
  }

  /// Waits until all that was logged so far can be read: units that end at about the same time share one command. Needs
  /// ``run()``.
  ///
  /// - Throws: `SystemdError`, `CancellationError`.
  func sync() async throws { _ = try await self.syncs.value(for: .all) }

  private func take() -> Bool {
    self.free.withLock { free in
      guard free > 0 else { return false }
      free -= 1
      return true
    }
  }
}
