import AsyncPrimitives
import Logging
import Processes
import Synchronization
import Systemd
import Testing

@testable import SystemdDriver

/// Answers as systemctl would for units in given states, and can fail.
private final class FakeSystemd: CommandRunner {
  struct State {
    var units: [String: String] = [:]
    var isFailing = false
    var shows = 0
  }

  let state = Mutex(State())

  func run(_ command: Command, onOutput: ([UInt8]) async throws -> Void) async throws -> CommandResult {
    let names = command.arguments.drop { $0 != "--" }.dropFirst()
    let isShow = command.arguments.contains("show")
    let (output, isFailing) = self.state.withLock { state in
      if isShow { state.shows += 1 }
      let lines = names.compactMap { name in
        state.units[name].map { activeState in
          isShow
            ? "Id=\(name)\nNames=\(name)\nLoadState=loaded\nActiveState=\(activeState)\n"
            : "\(name) loaded \(activeState) sub description"
        }
      }
      return (lines.joined(separator: "\n") + "\n", state.isFailing)
    }
    if !isFailing { try await onOutput(Array(output.utf8)) }
    return CommandResult(termination: .exited(isFailing ? 1 : 0), standardError: [], duration: .zero)
  }
}

@Suite struct UnitWatcherTests {
  private let systemd = FakeSystemd()
  private let unit: UnitName

  init() throws {
    self.unit = try UnitName("a.service")
    self.systemd.state.withLock { $0.units["a.service"] = "active" }
  }

  private func withWatcher(
    fullPollInterval: Duration = .seconds(3600), _ body: (UnitWatcher) async throws -> Void
  ) async throws {
    let watcher = UnitWatcher(
      systemctl: Systemctl(runner: self.systemd, path: "/bin/systemctl"), pollInterval: .milliseconds(5),
      fullPollInterval: fullPollInterval,
      logger: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() })
    let running = Task { await watcher.run() }
    defer { running.cancel() }
    try await body(watcher)
  }

  @Test func aChangeIsSeen() async throws {
    try await self.withWatcher { watcher in
      let isDown = Promise<Void>()
      let isUp = Promise<Void>()
      _ = watcher.watch(self.unit) { look in
        let status = look.status
        status.activeState == .failed ? isDown.fulfil(()) : isUp.fulfil(())
      }
      try await isUp.value
      self.systemd.state.withLock { $0.units["a.service"] = "failed" }
      try await isDown.value
    }
  }

  @Test func aUnitThatIsUnloadedIsLookedAt() async throws {
    try await self.withWatcher { watcher in
      let looks = Mutex(0)
      _ = watcher.watch(self.unit) { _ in looks.withLock { $0 += 1 } }
      // It stays inactive, and each tick looks whether it still is.
      self.systemd.state.withLock { $0.units["a.service"] = "inactive" }
      while looks.withLock({ $0 < 3 }) { await Task.yield() }
    }
  }

  @Test func aUnitThatDoesNotChangeCostsNothingMore() async throws {
    try await self.withWatcher { watcher in
      let other = try UnitName("b.service")
      let ticks = Mutex(0)
      let isUp = Promise<Void>()
      _ = watcher.watch(self.unit) { _ in isUp.fulfil(()) }
      try await isUp.value
      let shows = self.systemd.state.withLock { $0.shows }
      // The other one is down, so that it is looked at on each tick.
      self.systemd.state.withLock { $0.units["b.service"] = "inactive" }
      let seen = Mutex<Set<String>>([])
      _ = watcher.watch(other) { look in
        let status = look.status
        ticks.withLock { $0 += 1 }
        seen.withLock { _ = $0.insert(status.id) }
      }
      while ticks.withLock({ $0 < 5 }) { await Task.yield() }
      #expect(self.systemd.state.withLock { $0.shows } > shows)
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
      _ = watcher.watch(self.unit) { look in
        let status = look.status
        switch status.activeState {
        case .active: isUp.fulfil(())
        case .failed: isDown.fulfil(())
        default: others.withLock { $0 += 1 }
        }
      }
      try await isUp.value
      self.systemd.state.withLock { $0.isFailing = true }
      watcher.hint(self.unit)
      let shows = self.systemd.state.withLock { $0.shows }
      // It is tried again and again, and nothing is told.
      while self.systemd.state.withLock({ $0.shows < shows + 1 }) {
        watcher.hint(self.unit)
        await Task.yield()
      }
      #expect(isDown.current == nil && others.withLock { $0 } == 0)
      self.systemd.state.withLock { state in
        state.isFailing = false
        state.units["a.service"] = "failed"
      }
      try await isDown.value
    }
  }
}
