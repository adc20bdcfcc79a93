import AsyncPrimitives
import Foundation
import Logging
import NomadPlugin
import Processes
import Synchronization
import Systemd
import TestHelpers
import Testing

@testable import SystemdDriver

/// What a unit's journal tells its task, with and without logs.
@Suite struct UnitJournalTests {
  private let journal = FakeJournal(pieceSize: 1 << 20)
  private let unit: UnitName
  private let timer: UnitName

  init() throws {
    self.unit = try UnitName("web.service")
    self.timer = try UnitName("web.timer")
  }

  /// The events of one unit's journal.
  private final class Events: Sendable {
    private let state = Mutex<[UnitJournal.Event]>([])

    /// As text: what the service manager says is its time.
    var all: [String] {
      self.state.withLock { $0 }.map {
        if case .lifecycle(let entry) = $0 { "hint \(entry.monotonicMicroseconds)" } else { "\($0)" }
      }
    }

    func append(_ event: UnitJournal.Event) { self.state.withLock { $0.append(event) } }
  }

  private func withUnitJournal<R>(
    for task: TaskConfig, limit: Int = 8, resumes: Bool = false, bootID: String? = nil,
    patience: Duration = .seconds(10), watchInterval: Duration = .seconds(60),
    logger: Logger = quietLogger, _ body: (UnitJournal) async throws -> R
  ) async throws -> R {
    let journalctl = Journalctl(runner: self.journal, path: "/bin/true", logger: quietLogger)
    let followers = JournalFollowers(
      journalctl, limit: limit, watchInterval: watchInterval, logger: quietLogger)
    let unitJournal = try UnitJournal(
      of: self.unit, for: task, LogConfiguration(), from: .beginning, resumes: resumes, bootID: bootID,
      patience: patience, journalctl: journalctl, followers: followers, logger: logger)
    return try await withThrowingDiscardingTaskGroup { group in
      group.addTask { await followers.run() }
      defer { group.cancelAll() }
      return try await body(unitJournal)
    }
  }

  /// Runs `body` while the journal is followed.
  private func following(
    _ unitJournal: UnitJournal, _ events: Events, _ body: () async throws -> Void
  ) async throws {
    try await withThrowingDiscardingTaskGroup { group in
      group.addTask { await unitJournal.follow { events.append($0) } }
      defer { group.cancelAll() }
      try await body()
    }
  }

  /// The event of an entry of the service manager's.
  private func hint(_ number: Int) -> String { "hint \(self.journal.monotonicTime(of: number))" }

  private static let withoutLogs: TaskConfig = {
    var task = TaskConfig(id: "x")
    task.stdoutPath = "/dev/null"
    task.stderrPath = "/dev/null"
    return task
  }()

  /// Gives a task with log collection, and a descriptor to read its standard output from.
  private func withLogs<R>(_ body: (TaskConfig, Int32) async throws -> R) async throws -> R {
    try await withTemporaryDirectory { directory in
      var task = TaskConfig(id: "x")
      task.name = "web"
      task.stdoutPath = "\(directory)/stdout"
      task.stderrPath = "\(directory)/stderr"
      try #require(mkfifo(task.stdoutPath, 0o600) == 0 && mkfifo(task.stderrPath, 0o600) == 0)
      let reader = open(task.stdoutPath, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
      defer { close(reader) }
      return try await body(task, reader)
    }
  }

  private func read(_ reader: Int32) -> String {
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    let count = Foundation.read(reader, &buffer, buffer.count)
    return String(decoding: buffer.prefix(max(count, 0)), as: UTF8.self)
  }

  // MARK: Without logs

  /// Units beyond the limit share a follower.
  @Test(arguments: [8, 0]) func hintsComeWithoutLogs(limit: Int) async throws {
    self.journal.append("web.service", "line")
    self.journal.appendFromManager(about: "web.service", "Started.")
    try await self.withUnitJournal(for: Self.withoutLogs, limit: limit) { unitJournal in
      #expect(unitJournal.logs == nil)
      let events = Events()
      try await self.following(unitJournal, events) {
        try await eventually("the first hint") {
          events.all == [self.hint(2)]
        }
        for _ in 0..<500 { self.journal.append("web.service", "line") }
        self.journal.appendFromManager(about: "web.timer", "Stopped.")
        self.journal.appendFromManager(about: "web.service", "Stopped.")
        try await eventually("the second hint") {
          events.all == [
            self.hint(2), self.hint(504),
          ]
        }
      }
      let commands = self.journal.commands
      #expect(commands.contains { $0.hasSuffix(" _PID=1 UNIT=web.service") })
      #expect(!commands.contains { $0.contains("--unit=") })
      // Nothing is read, nor waited for, at the end.
      try await unitJournal.finish { events.append($0) }
      #expect(self.journal.commands == commands && events.all.count == 2)
    }
  }

  @Test func hintsGoOnAfterTheLastEntryWhenTheFollowerFails() async throws {
    try await self.withUnitJournal(for: Self.withoutLogs) { unitJournal in
      let events = Events()
      try await self.following(unitJournal, events) {
        self.journal.appendFromManager(about: "web.service", "Started.")
        try await eventually("the first hint") {
          events.all == [self.hint(1)]
        }
        self.journal.setBroken(true)
        try await eventually("no follower") { self.journal.followerCount == 0 }
        self.journal.appendFromManager(about: "web.service", "Stopped.")
        self.journal.setBroken(false)
        try await eventually("the second hint") {
          events.all == [
            self.hint(1), self.hint(2),
          ]
        }
      }
    }
  }

  /// A recovered task is polled at once, which tells what came of all that was said before.
  @Test func hintsOfARecoveredTaskBeginNow() async throws {
    let bootID = try #require(BootID.current)
    self.journal.appendFromManager(about: "web.service", "Started.")
    try await self.withUnitJournal(for: Self.withoutLogs, resumes: true, bootID: bootID) { unitJournal in
      let events = Events()
      try await self.following(unitJournal, events) {
        try await eventually("a follower") { self.journal.followerCount == 1 }
        #expect(
          self.journal.commands.last?.contains(" --cursor=b=\(bootID.filter { $0 != "-" });m=") == true)
        self.journal.appendFromManager(about: "web.service", "Stopped.")
        try await eventually("a hint") { events.all == [self.hint(2)] }
      }
    }
  }

  /// Polling goes on without hints: the operator has nothing to do.
  @Test func aJournalThatCannotBeFollowedIsNoEventWithoutLogs() async throws {
    let lines = Mutex<[String]>([])
    let logger = Logger(label: "tests") { _ in CapturingHandler { line in lines.withLock { $0.append(line) } }
    }
    self.journal.setBroken(true)
    try await self.withUnitJournal(for: Self.withoutLogs, logger: logger) { unitJournal in
      let events = Events()
      try await self.following(unitJournal, events) {
        try await eventually("the second failure") { lines.withLock(\.count) >= 2 }
      }
      #expect(lines.withLock { $0.map { $0.prefix { $0 != " " } } } == ["warning", "debug"])
      #expect(events.all == [])
    }
  }

  // MARK: With logs

  @Test func hintsComeBeforeTheLinesOfTheSameBatch() async throws {
    let text = String(repeating: "x", count: 5000)
    for index in 0..<40 { self.journal.append("web.service", "\(index) \(text)") }
    self.journal.appendFromManager(about: "web.service", "Stopped.")
    try await self.withLogs { task, reader in
      try await self.withUnitJournal(for: task) { unitJournal in
        let events = Events()
        try await self.following(unitJournal, events) {
          // The FIFO does not hold all lines, and nobody reads them.
          try await eventually("the hint") { events.all == [self.hint(41)] }
          var output = ""
          try await eventually("the last line") {
            output += self.read(reader)
            return output.hasSuffix("Stopped.\n")
          }
          #expect(output.split(separator: "\n").count == 41)
        }
        #expect(events.all == [self.hint(41)])
      }
    }
  }

  @Test func otherUnitsAreFollowedFromTheLastLineOn() async throws {
    try await self.withLogs { task, reader in
      try await self.withUnitJournal(for: task) { unitJournal in
        let events = Events()
        try await self.following(unitJournal, events) {
          self.journal.append("web.timer", "not wanted")
          self.journal.append("web.service", "first")
          try await eventually("the first line") { self.read(reader) == "first\n" }
          let cursor = try #require(self.journal.cursors.last)
          try await eventually("its checkpoint") { await unitJournal.logs?.cursor == cursor }
          await unitJournal.setTriggered([self.timer])
          try await eventually("the other follower") {
            self.journal.commands.last?.hasSuffix(
              " --unit=web.service --unit=web.timer --cursor=\(cursor.text)") == true
          }
          self.journal.append("web.timer", "second")
          try await eventually("the second line") { self.read(reader) == "second\n" }
        }
      }
    }
  }

  @Test func aJournalThatCannotBeFollowedIsAnEvent() async throws {
    self.journal.setBroken(true)
    try await self.withLogs { task, _ in
      try await self.withUnitJournal(for: task) { unitJournal in
        let events = Events()
        try await self.following(unitJournal, events) {
          try await eventually("the event") { !events.all.isEmpty }
        }
        let event = events.all.first ?? ""
        #expect(
          events.all.count == 1 && event.hasPrefix("unavailable") && event.contains("broken"), "\(event)")
      }
    }
  }

  // MARK: The journal itself

  /// A follower is not told of entries after a move; one that is started anew sees them, and knows the old ones.
  @Test(arguments: [8, 0]) func theJournalMoves(limit: Int) async throws {
    try await self.withLogs { task, reader in
      try await self.withUnitJournal(for: task, limit: limit, watchInterval: .milliseconds(20)) {
        unitJournal in
        let events = Events()
        try await self.following(unitJournal, events) {
          var (output, expected) = ("", "")
          for (index, sequence) in ["b", "c", "d"].enumerated() {
            self.journal.append("web.service", "\(index)")
            expected += "\(index)\n"
            try await eventually("line \(index)") {
              output += self.read(reader)
              return output == expected
            }
            self.journal.move(to: sequence)
          }
          self.journal.append("web.service", "last")
          try await eventually("the last line") {
            output += self.read(reader)
            return output == expected + "last\n"
          }
        }
        // Nothing is lost, and nothing repeated.
        try await unitJournal.finish { events.append($0) }
        #expect(self.read(reader) == "" && events.all.isEmpty)
      }
    }
  }

  /// A follower may hear of the journal again before its silence is noticed. What came meanwhile is not passed over.
  @Test(arguments: [8, 0]) func theJournalMovesAndComesBack(limit: Int) async throws {
    try await self.withLogs { task, reader in
      try await self.withUnitJournal(for: task, limit: limit) { unitJournal in
        try await self.following(unitJournal, Events()) {
          self.journal.append("web.service", "before")
          var output = ""
          try await eventually("the first line") {
            output += self.read(reader)
            return output == "before\n"
          }
          try await eventually("a follower") { self.journal.followerCount == 1 }
          self.journal.move(to: "b")
          self.journal.append("web.service", "meanwhile")
          self.journal.goOn(as: "c")
          self.journal.append("web.service", "after")
          try await eventually("the last line") {
            output += self.read(reader)
            return output.hasSuffix("after\n")
          }
          #expect(output == "before\nmeanwhile\nafter\n")
        }
      }
    }
  }

  @Test func anEntryThatIsTooLargeHasALineInItsPlace() async throws {
    self.journal.append("web.service", "before")
    self.journal.append("web.service", String(repeating: "x", count: 9 << 20))
    self.journal.append("web.service", "after")
    try await self.withLogs { task, reader in
      try await self.withUnitJournal(for: task) { unitJournal in
        try await self.following(unitJournal, Events()) {
          var output = ""
          try await eventually("the last line") {
            output += self.read(reader)
            return output.hasSuffix("after\n")
          }
          let lines = output.split(separator: "\n")
          #expect(lines.count == 3 && lines.first == "before")
          let cursor = self.journal.cursors[1].text
          #expect(lines[1].hasPrefix("nomad-driver-systemd: An entry of 94"))
          #expect(lines[1].contains("journalctl --cursor='\(cursor)' --lines=1 "))
        }
      }
    }
  }

  /// The collector stands still, and journald removes entries meanwhile.
  @Test(arguments: [8, 0]) func entriesThatAreGone(limit: Int) async throws {
    let text = String(repeating: "x", count: 1000)
    try await self.withLogs { task, reader in
      try await self.withUnitJournal(for: task, limit: limit, patience: .zero) { unitJournal in
        let events = Events()
        try await self.following(unitJournal, events) {
          for index in 0..<500 { self.journal.append("web.service", "\(index) \(text)") }
          // The FIFO is full.
          try await eventually("a wait") { await (unitJournal.logs?.waitCount ?? 0) > 0 }
          for index in 500..<1000 { self.journal.append("web.service", "\(index) \(text)") }
          self.journal.vacuum(leaving: 100)
          var output = ""
          try await eventually("the last line") {
            output += self.read(reader)
            return output.hasSuffix("999 \(text)\n")
          }
          let lines = output.split(separator: "\n").map { $0.prefix { $0 != " " } }
          let notice = try #require(lines.firstIndex(of: "nomad-driver-systemd:"))
          #expect(lines[..<notice] == (0..<notice).map { "\($0)"[...] }[...])
          #expect(lines[(notice + 1)...] == (900..<1000).map { "\($0)"[...] }[...])
          #expect(output.contains("nomad-driver-systemd: Lines may be missing here: "))
        }
        #expect(events.all.count == 1 && events.all.first?.hasPrefix("lost(") == true, "\(events.all)")
      }
    }
  }

  /// The unit is quiet for so long that its last entry is gone. Nothing has been missed.
  @Test func theLastEntryIsGoneAndNothingElse() async throws {
    try await self.withLogs { task, reader in
      try await self.withUnitJournal(for: task) { unitJournal in
        let events = Events()
        var output = ""
        try await self.following(unitJournal, events) {
          self.journal.append("web.service", "first")
          try await eventually("the first line") {
            output += self.read(reader)
            return output == "first\n"
          }
          let cursor = self.journal.cursors.last
          try await eventually("its checkpoint") { await unitJournal.logs?.cursor == cursor }
        }
        self.journal.append("other.service", "not wanted")
        self.journal.append("web.service", "last")
        self.journal.vacuum(leaving: 1)
        try await unitJournal.finish { events.append($0) }
        #expect(self.read(reader) == "last\n" && events.all.isEmpty)
      }
    }
  }

  /// The unit has ended, and journald is not ready with its lines for long.
  @Test func lastLinesThatComeLate() async throws {
    try await self.withLogs { task, reader in
      try await self.withUnitJournal(for: task) { unitJournal in
        self.journal.holdSync(true)
        let events = Events()
        async let finished: Void = unitJournal.finish { events.append($0) }
        try await eventually("journald was asked") { self.journal.commands.contains("--sync") }
        var output = ""
        for index in 0..<3 {
          self.journal.append("web.service", "\(index)")
          try await eventually("line \(index)") {
            output += self.read(reader)
            return output.hasSuffix("\(index)\n")
          }
        }
        self.journal.append("web.service", "last")
        self.journal.holdSync(false)
        try await finished
        output += self.read(reader)
        #expect(output == "0\n1\n2\nlast\n" && events.all.isEmpty)
      }
    }
  }
}
