import AsyncPrimitives
import Synchronization
import Systemd
import TestHelpers
import Testing

@testable import SystemdDriver

@Suite struct JournalFollowersTests {
  private let journal = FakeJournal()

  /// What one of those that follow was given.
  private final class Reader: Sendable {
    private let state = Mutex<[String]>([])
    private let changed = AsyncSignal()

    var messages: [String] { self.state.withLock { $0 } }

    func take(_ entries: [JournalEntry]) {
      self.state.withLock { $0 += entries.map { String(decoding: $0.message, as: UTF8.self) } }
      self.changed.send()
    }

    func wait(until isDone: ([String]) -> Bool) async throws {
      while true {
        let changeCount = self.changed.count
        if isDone(self.messages) { return }
        try await self.changed.wait(after: changeCount)
      }
    }

    func wait(for count: Int) async throws { try await self.wait { $0.count >= count } }
  }

  private func withFollowers<R>(limit: Int = 0, _ body: (JournalFollowers) async throws -> R) async throws
    -> R
  {
    let followers = JournalFollowers(
      Journalctl(runner: self.journal, path: "/bin/true", logger: quietLogger), limit: limit,
      logger: quietLogger)
    return try await withThrowingDiscardingTaskGroup { group in
      group.addTask { await followers.run() }
      defer { group.cancelAll() }
      return try await body(followers)
    }
  }

  private func follow(
    _ units: String..., scope: JournalScope = .all, by followers: JournalFollowers,
    after position: JournalPosition = .beginning, _ reader: Reader,
    before: @escaping @Sendable () async throws -> Void = {}
  ) throws -> Task<Void, any Error> {
    let selection = JournalSelection(units: try units.map { try UnitName($0) }, scope: scope, detail: .line)
    return Task {
      try await followers.follow(selection, after: position) { entries in
        try await before()
        reader.take(entries)
      }
    }
  }

  @Test func asManyAsAreAllowedHaveAFollowerOfTheirOwn() async throws {
    try await self.withFollowers(limit: 2) { followers in
      let readers = (0..<5).map { _ in Reader() }
      let tasks = try readers.enumerated().map {
        try self.follow("unit\($0.offset).service", by: followers, $0.element)
      }
      for index in 0..<5 { self.journal.append("unit\(index).service", "a") }
      for reader in readers { try await reader.wait(for: 1) }
      try await eventually("three followers") { self.journal.followerCount == 3 }
      #expect(self.journal.commands.count { $0.contains("--follow") && $0.contains("--unit=") } == 2)
      #expect(self.journal.commands.count { $0.contains("--follow") && !$0.contains("--unit=") } == 1)
      for task in tasks { task.cancel() }
      try await eventually("no followers") { self.journal.followerCount == 0 }
    }
  }

  @Test func eachHasTheEntriesOfItsUnitsOnce() async throws {
    try await self.withFollowers { followers in
      self.journal.append("a.service", "a0", "a1")
      self.journal.append("other.service", "x")
      let (a, b, both) = (Reader(), Reader(), Reader())
      let first = try self.follow(
        "a.service", by: followers, after: .after(try #require(self.journal.cursors.first)), a)
      try await a.wait(for: 1)
      let writing = Task {
        for index in 2..<500 {
          self.journal.append("a.service", "a\(index)")
          self.journal.append("b.service", "b\(index)")
          await Task.yield()
        }
      }
      let second = try self.follow("b.service", by: followers, b)
      let third = try self.follow("a.service", "b.service", by: followers, both)
      try await a.wait { $0.last == "a499" }
      try await b.wait { $0.last == "b499" }
      try await both.wait { $0.last == "b499" }
      await writing.value
      #expect(a.messages == (1..<500).map { "a\($0)" })
      #expect(b.messages == (2..<500).map { "b\($0)" })
      #expect(both.messages == ["a0", "a1"] + (2..<500).flatMap { ["a\($0)", "b\($0)"] })
      for task in [first, second, third] { task.cancel() }
    }
  }

  @Test func oneThatDoesNotReadHoldsUpNobodyAndMissesNothing() async throws {
    try await self.withFollowers { followers in
      let (slow, quick) = (Reader(), Reader())
      let go = Promise<Void>()
      let first = try self.follow("slow.service", by: followers, slow) { try await go.value }
      let second = try self.follow("quick.service", by: followers, quick)
      // Far more than what is kept.
      let text = String(repeating: "x", count: 1000)
      for index in 0..<500 {
        self.journal.append("slow.service", "\(index) \(text)")
        self.journal.append("quick.service", "\(index)")
      }
      try await quick.wait(for: 500)
      #expect(slow.messages.isEmpty)
      go.fulfil(())
      try await slow.wait(for: 500)
      self.journal.append("slow.service", "last")
      try await slow.wait(for: 501)
      #expect(slow.messages == (0..<500).map { "\($0) \(text)" } + ["last"])
      #expect(quick.messages == (0..<500).map { "\($0)" })
      first.cancel()
      second.cancel()
    }
  }

  /// A subscriber that wants no more than what the service manager says gets nothing else, however much the unit logs.
  @Test(arguments: [0, 8]) func whatTheManagerSaysAlone(limit: Int) async throws {
    try await self.withFollowers(limit: limit) { followers in
      let (hints, lines) = (Reader(), Reader())
      self.journal.append("a.service", "early")
      self.journal.appendFromManager(about: "a.service", "Started early.")
      self.journal.appendFromManager(about: "b.service", "Started another.")
      let first = try self.follow("a.service", scope: .manager, by: followers, hints)
      let second = try self.follow("a.service", by: followers, lines)
      try await hints.wait(for: 1)
      try await lines.wait(for: 2)
      for index in 0..<500 { self.journal.append("a.service", "line \(index)") }
      self.journal.appendFromManager(about: "a.service", "Stopped.")
      self.journal.appendFromManager(about: "b.service", "Stopped another.")
      try await hints.wait(for: 2)
      try await lines.wait(for: 503)
      #expect(hints.messages == ["Started early.", "Stopped."])
      #expect(
        lines.messages == ["early", "Started early."] + (0..<500).map { "line \($0)" } + ["Stopped."])
      let ownCommands = self.journal.commands.filter { $0.contains("UNIT=") }
      #expect(!ownCommands.isEmpty && ownCommands.allSatisfy { $0.hasSuffix(" _PID=1 UNIT=a.service") })
      first.cancel()
      second.cancel()
    }
  }

  @Test func aFailureIsToldAndTheNextOneBeginsAnew() async throws {
    try await self.withFollowers { followers in
      let reader = Reader()
      let first = try self.follow("a.service", by: followers, reader)
      self.journal.append("a.service", "before")
      try await reader.wait(for: 1)
      self.journal.setBroken(true)
      await #expect(throws: SystemdError.self) { try await first.value }
      self.journal.append("a.service", "meanwhile")
      self.journal.setBroken(false)
      let second = try self.follow(
        "a.service", by: followers, after: .after(try #require(self.journal.cursors.first)), reader)
      try await reader.wait(for: 2)
      self.journal.append("a.service", "after")
      try await reader.wait(for: 3)
      #expect(reader.messages == ["before", "meanwhile", "after"])
      second.cancel()
    }
  }
}
