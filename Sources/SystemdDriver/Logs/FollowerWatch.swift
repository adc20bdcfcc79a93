import AsyncPrimitives
import Logging
import Synchronization
import Systemd

/// Follows the journal by `journalctl --follow`, and notices when one is blind.
///
/// journalctl watches the directories that are there when it starts. When the journal moves from `/run/log/journal` to
/// `/var/log/journal` it hears of nothing more, and if `/var/log/journal` is a link into `/run` it never does (systemd 252).
/// So those that are silent are compared with the end of the journal now and then, by one command for all.
final class FollowerWatch: Sendable {
  private let journalctl: Journalctl
  private let interval: Duration
  private let followers = Mutex<[ObjectIdentifier: FollowerProgress]>([:])
  private let followersChanged = AsyncSignal()
  private let logger: Logger

  /// How often the followers are compared with the journal, at most, for each unit of time that it takes: a journal of
  /// many files takes long to read.
  private static let restFactor = 50
  /// How long an entry may be on its way to a follower: journald tells of new ones by a timer of 250 ms.
  private static let deliveryTime: Duration = .seconds(1)

  /// - Parameter interval: how often the followers are compared with the journal.
  init(_ journalctl: Journalctl, every interval: Duration, logger: Logger) {
    self.journalctl = journalctl
    self.interval = interval
    self.logger = logger
  }

  // MARK: Following

  /// Hands out entries like `Journalctl.follow`. Returns when journalctl is to be started anew. Needs ``run()``.
  ///
  /// - Parameter selection: without units, the whole journal is followed.
  func follow(
    _ selection: JournalSelection, after position: JournalPosition,
    _ onEntries: @escaping @Sendable ([JournalEntry]) async throws -> Void
  ) async throws {
    let progress = FollowerProgress(selection, after: position)
    self.followers.withLock { $0[ObjectIdentifier(progress)] = progress }
    defer { self.followers.withLock { $0[ObjectIdentifier(progress)] = nil } }
    self.followersChanged.send()
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        try await self.journalctl.follow(
          selection.units, selection.scope, after: position, selection.detail
        ) { try await progress.handOut($0, onEntries) }
      }
      group.addTask { try await progress.isReplaced.value }
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  // MARK: Watching

  /// Has blind followers replaced, until the task is cancelled.
  func run() async {
    var rest = self.interval
    while (try? await self.waitForFollowers()) != nil {
      let before = self.idleCounts
      guard (try? await Task.sleep(for: rest)) != nil else { return }
      let silent = self.silentFollowers(since: before)
      let begin = ContinuousClock.now
      let lagging = await self.lagging(silent)
      rest = max(self.interval, (ContinuousClock.now - begin) * Self.restFactor)
      guard !lagging.isEmpty else { continue }
      guard (try? await Task.sleep(for: min(self.interval, Self.deliveryTime))) != nil else { return }
      let blind = self.silentFollowers(since: before)
      guard blind.contains(where: { follower in lagging.contains { $0 === follower } }) else { continue }
      self.logger.debug(
        "journalctl does not tell of new entries, as after a move of the journal: it is started anew.",
        metadata: ["count": "\(blind.count)"])
      // What has made one blind concerns all that have heard nothing since.
      for follower in blind { follower.isReplaced.fulfil(()) }
    }
  }

  private func waitForFollowers() async throws {
    while true {
      try Task.checkCancellation()
      let changeCount = self.followersChanged.count
      if self.followers.withLock({ !$0.isEmpty }) { return }
      try await self.followersChanged.wait(after: changeCount)
    }
  }

  private var idleCounts: [ObjectIdentifier: Int] {
    self.followers.withLock { $0.compactMapValues(\.idleCount) }
  }

  private func silentFollowers(since before: [ObjectIdentifier: Int]) -> [FollowerProgress] {
    self.followers.withLock { followers in
      followers.values.filter { follower in
        before[ObjectIdentifier(follower)].map { $0 == follower.idleCount } ?? false
      }
    }
  }

  /// Those of some followers that have not handed out the last entry that is for any of them.
  private func lagging(_ followers: [FollowerProgress]) async -> [FollowerProgress] {
    let (ofUnits, ofAll) = (
      followers.filter { !$0.selection.units.isEmpty }, followers.filter { $0.selection.units.isEmpty }
    )
    var lagging: [FollowerProgress] = []
    for group in [ofAll] + Dictionary(grouping: ofUnits, by: \.selection.scope).values where !group.isEmpty {
      let units = Set(group.flatMap(\.selection.units)).sorted { $0.name < $1.name }
      guard let end = try? await self.journalctl.lastEntry(of: units, group[0].selection.scope) else {
        continue
      }
      lagging += group.filter { $0.lacks(end) }
    }
    return lagging
  }
}
