import AsyncPrimitives
import Synchronization
import Systemd
import TestHelpers
import Testing

@testable import SystemdDriver

@Suite struct UnitWatcherTests {
  private let systemd = FakeSystemd()
  private let unit: UnitName
  private let service: FakeSystemd.Unit

  init() throws {
    self.unit = try UnitName("a.service")
    self.service = self.systemd.add("a.service") { $0.request(.start) }
  }

  private var showCount: Int { self.systemd.commands(.show).count }

  private func withWatcher(
    fullPollInterval: Duration = .seconds(3600), _ body: (UnitWatcher) async throws -> Void
  ) async throws {
    let watcher = UnitWatcher(
      systemctl: Systemctl(runner: self.systemd, path: "/bin/systemctl"), pollInterval: .milliseconds(5),
      fullPollInterval: fullPollInterval,
      logger: quietLogger)
    let running = Task { await watcher.run() }
    defer { running.cancel() }
    try await body(watcher)
  }

  @Test func aChangeIsSeen() async throws {
    try await self.withWatcher { watcher in
      let isDown = Promise<Void>()
      let isUp = Promise<Void>()
      _ = watcher.watch(self.unit) { observation in
        let status = observation.status
        status.activeState == .failed ? isDown.fulfil(()) : isUp.fulfil(())
      }
      try await isUp.value
      self.service.exit(1)
      try await isDown.value
    }
  }

  @Test func aUnitThatIsUnloadedIsLookedAt() async throws {
    try await self.withWatcher { watcher in
      let observations = Mutex(0)
      _ = watcher.watch(self.unit) { _ in observations.withLock { $0 += 1 } }
      // It stays inactive, and is polled at each tick.
      self.service.exit(0)
      while observations.withLock({ $0 < 3 }) { await Task.yield() }
    }
  }

  @Test func aUnitThatDoesNotChangeCostsNothingMore() async throws {
    try await self.withWatcher { watcher in
      let other = try UnitName("b.service")
      let ticks = Mutex(0)
      let isUp = Promise<Void>()
      _ = watcher.watch(self.unit) { _ in isUp.fulfil(()) }
      try await isUp.value
      let shows = self.showCount
      // The other one is down, so that it is polled at each tick.
      self.systemd.add("b.service")
      let seen = Mutex<Set<String>>([])
      _ = watcher.watch(other) { observation in
        let status = observation.status
        ticks.withLock { $0 += 1 }
        seen.withLock { _ = $0.insert(status.id) }
      }
      while ticks.withLock({ $0 < 5 }) { await Task.yield() }
      #expect(self.showCount > shows)
      #expect(seen.withLock { $0 } == ["b.service"])
    }
  }

  /// What the cheap command does not tell.
  @Test(.timeLimit(.minutes(1))) func aUnitThatDoesNotChangeIsLookedAtNowAndThen() async throws {
    try await self.withWatcher(fullPollInterval: .milliseconds(1)) { watcher in
      let isUp = Promise<Void>()
      let again = Promise<Void>()
      _ = watcher.watch(self.unit) { _ in
        isUp.current == nil ? isUp.fulfil(()) : again.fulfil(())
      }
      try await again.value
    }
  }

  /// A task whose unit has ended is destroyed after the next task of the same unit began.
  @Test func theWatchOfAnotherTaskStays() async throws {
    try await self.withWatcher { watcher in
      let first = watcher.watch(self.unit) { _ in }
      let isSeen = Promise<Void>()
      let second = watcher.watch(self.unit) { _ in isSeen.fulfil(()) }
      watcher.unwatch(self.unit, first)
      watcher.hint(self.unit)
      try await isSeen.value
      watcher.unwatch(self.unit, second)
    }
  }

  @Test func whatCannotBeSeenHasNotChanged() async throws {
    try await self.withWatcher { watcher in
      let isUp = Promise<Void>()
      let isDown = Promise<Void>()
      let others = Mutex(0)
      _ = watcher.watch(self.unit) { observation in
        let status = observation.status
        switch status.activeState {
        case .active: isUp.fulfil(())
        case .failed: isDown.fulfil(())
        default: others.withLock { $0 += 1 }
        }
      }
      try await isUp.value
      self.systemd.fail(.show, .unreachable)
      self.systemd.fail(.listUnits, .unreachable)
      watcher.hint(self.unit)
      let shows = self.showCount
      // It is tried again and again, and nothing is told.
      while self.showCount < shows + 1 {
        watcher.hint(self.unit)
        await Task.yield()
      }
      #expect(isDown.current == nil && others.withLock { $0 } == 0)
      self.service.exit(1)
      self.systemd.recover(.show)
      self.systemd.recover(.listUnits)
      try await isDown.value
    }
  }
}
