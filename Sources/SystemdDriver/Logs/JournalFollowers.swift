import Foundation
import Logging
import Synchronization
import Systemd

/// Follows the journal of units: up to a limit by a journalctl for each, beyond it by one for all.
///
/// A journalctl that follows needs an inotify instance, of which Linux gives a user 128 unless
/// `fs.inotify.max_user_instances` says otherwise. systemd needs some too, for path units and for itself: they would
/// fail if the plugin took all of root's. So it takes half of them.
final class JournalFollowers: Sendable {
  private let watch: FollowerWatch
  /// How many more units can have a journalctl of their own.
  private let availableSlots: Mutex<Int>
  private let sharedLineFollower: SharedFollower
  private let sharedFullFollower: SharedFollower
  private let syncs: RequestCoalescer<Sync, Void>

  private enum Sync { case all }

  /// How long journald may take to confirm that it has written all lines. It does so when it has nothing else to do.
  private static let syncLimit: Duration = .seconds(60)
  /// For how long it is not asked once more. A question has no answer before all that came earlier is written.
  private static let syncPatience: Duration = .seconds(1)

  /// - Parameters:
  ///   - limit: how many units have a journalctl of their own.
  ///   - watchInterval: how often it is made sure that no follower is blind.
  init(
    _ journalctl: Journalctl, limit: Int = JournalFollowers.limitOfThisHost,
    watchInterval: Duration = .seconds(5), logger: Logger
  ) {
    self.watch = FollowerWatch(journalctl, every: watchInterval, logger: logger)
    self.availableSlots = Mutex(limit)
    self.sharedLineFollower = SharedFollower(journalctl, .lineAndUnits, by: self.watch)
    self.sharedFullFollower = SharedFollower(journalctl, .complete, by: self.watch)
    self.syncs = RequestCoalescer(patience: Self.syncPatience) { _ in
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
      group.addTask { await self.watch.run() }
      group.addTask { await self.syncs.run() }
      group.addTask { await self.sharedLineFollower.run() }
      group.addTask { await self.sharedFullFollower.run() }
    }
  }

  /// Hands out entries like `Journalctl.follow`. May return, for the caller to go on after the last entry by another call.
  /// Needs ``run()``.
  func follow(
    _ selection: JournalSelection, after position: JournalPosition,
    _ onEntries: @escaping @Sendable ([JournalEntry]) async throws -> Void
  ) async throws {
    guard self.takeSlot() else {
      let shared =
        if case .complete = selection.detail { self.sharedFullFollower } else { self.sharedLineFollower }
      return try await shared.follow(selection, after: position, onEntries)
    }
    defer { self.availableSlots.withLock { $0 += 1 } }
    try await self.watch.follow(selection, after: position, onEntries)
  }

  /// Waits until all that was logged so far can be read. Units that end at about the same time share one command. It
  /// takes long while any unit of the host logs more than journald can take. Needs ``run()``.
  ///
  /// - Throws: `SystemdError`, `CancellationError`.
  func sync() async throws { _ = try await self.syncs.value(for: .all) }

  private func takeSlot() -> Bool {
    self.availableSlots.withLock { count in
      guard count > 0 else { return false }
      count -= 1
      return true
    }
  }
}
