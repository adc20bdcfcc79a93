import AsyncPrimitives
import Foundation
import NomadPlugin
import Processes
import Systemd
import TestHelpers
import Testing

@testable import SystemdDriver

/// The delivery of a unit's lines, from a journal in memory.
@Suite struct LogDeliveryTests {
  /// A journal with lines of the unit, printed in pieces as from a pipe.
  private func journal(_ messages: [String], priority: (Int) -> Int = { _ in 6 }) -> FakeJournal {
    let journal = FakeJournal(pieceSize: 10_000)
    for (index, message) in messages.enumerated() {
      journal.append("web.service", message, priority: priority(index))
    }
    return journal
  }

  private struct Setting {
    let task: TaskConfig
    let unit: UnitName
    /// Runs what deliveries share.
    let running: AsyncStream<JournalFollowers>.Continuation

    func unitJournal(_ journal: FakeJournal, resumes: Bool = false) throws -> UnitJournal {
      let journalctl = Journalctl(runner: journal, path: "/bin/true", logger: quietLogger)
      let followers = JournalFollowers(journalctl, limit: 8, logger: quietLogger)
      self.running.yield(followers)
      return try UnitJournal(
        of: self.unit, for: self.task, LogConfiguration(), from: .beginning, resumes: resumes,
        journalctl: journalctl, followers: followers, logger: quietLogger)
    }

    func delivery(_ journal: FakeJournal, resumes: Bool = false) throws -> LogDelivery {
      try #require(try self.unitJournal(journal, resumes: resumes).logs)
    }
  }

  private func withSetting<R>(_ body: (Setting) async throws -> R) async throws -> R {
    let directory = "\(NSTemporaryDirectory())/delivery-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    var task = TaskConfig(id: "x")
    task.name = "web"
    task.stdoutPath = "\(directory)/stdout"
    task.stderrPath = "\(directory)/stderr"
    #expect(mkfifo(task.stdoutPath, 0o600) == 0 && mkfifo(task.stderrPath, 0o600) == 0)
    let (followers, running) = AsyncStream.makeStream(of: JournalFollowers.self)
    let setting = Setting(task: task, unit: try UnitName("web"), running: running)
    return try await withThrowingDiscardingTaskGroup { group in
      group.addTask {
        await withDiscardingTaskGroup { group in
          for await followers in followers { group.addTask { await followers.run() } }
          group.cancelAll()
        }
      }
      defer { running.finish() }
      return try await body(setting)
    }
  }

  /// Reads a FIFO without blocking; what there is.
  private func read(_ descriptor: Int32, atMost count: Int = 1 << 20) -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: count)
    let count = Foundation.read(descriptor, &buffer, buffer.count)
    return Array(buffer.prefix(max(count, 0)))
  }

  /// One delivery after another is interrupted at whatever point, with lines longer than what a FIFO takes at once: none is
  /// lost, repeated or torn.
  @Test func interruptedAgainAndAgain() async throws {
    try await self.withSetting { setting in
      let messages = (0..<60).map { "\($0) " + String(repeating: "x", count: ($0 % 7) * 6000 + $0) }
      let journal = self.journal(messages)
      let reader = open(setting.task.stdoutPath, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
      defer { close(reader) }
      let expected = Array((messages.joined(separator: "\n") + "\n").utf8)
      var collected: [UInt8] = []
      var round = 0
      while collected.count < expected.count {
        round += 1
        let unitJournal = try setting.unitJournal(journal, resumes: round > 1)
        let following = Task { await unitJournal.follow { _ in } }
        // Less than the pipe holds is taken, so that the delivery stands still within a line.
        let enough = min(collected.count + 20_000 + round * 1000, expected.count)
        while collected.count < enough {
          collected += self.read(reader, atMost: enough - collected.count)
          await Task.yield()
        }
        following.cancel()
        await following.value
      }
      #expect(collected == expected)
      #expect(round > 3)
    }
  }

  @Test func theStreamsAreApartAndInOrder() async throws {
    try await self.withSetting { setting in
      let messages = (0..<2000).map { "line \($0)" }
      let output = open(setting.task.stdoutPath, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
      let error = open(setting.task.stderrPath, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
      defer {
        close(output)
        close(error)
      }
      let unitJournal = try setting.unitJournal(self.journal(messages, priority: { $0 % 3 == 0 ? 3 : 6 }))
      let finishing = Task { try await unitJournal.finish { _ in } }
      var (outputBytes, errorBytes): ([UInt8], [UInt8]) = ([], [])
      func text(_ isError: Bool) -> String {
        messages.enumerated().filter { ($0.offset % 3 == 0) == isError }.map { $0.element + "\n" }.joined()
      }
      while outputBytes.count < text(false).utf8.count || errorBytes.count < text(true).utf8.count {
        outputBytes += self.read(output)
        errorBytes += self.read(error)
        await Task.yield()
      }
      try await finishing.value
      #expect(outputBytes == Array(text(false).utf8) && errorBytes == Array(text(true).utf8))
    }
  }

  /// A child of another test that is just being started has the FIFO open as well, until its program runs.
  private func waitForEnd(of reader: Int32) async throws {
    let deadline = ContinuousClock.now + .seconds(60)
    var byte: UInt8 = 0
    while Foundation.read(reader, &byte, 1) != 0 {
      try #require(errno == EAGAIN && ContinuousClock.now < deadline)
      await Task.yield()
    }
  }

  @Test func aKeeperKeepsTheFIFOsOpenAndIsAdopted() async throws {
    try await self.withSetting { setting in
      let journal = self.journal([])
      var first: LogDelivery? = try setting.delivery(journal)
      await first?.keepFIFOsOpen()
      first = nil
      let reader = open(setting.task.stdoutPath, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
      defer { close(reader) }
      var byte: UInt8 = 0
      // No end of the file though nobody else has it open.
      #expect(Foundation.read(reader, &byte, 1) == -1 && errno == EAGAIN)
      let second = try setting.delivery(journal, resumes: true)
      await second.keepFIFOsOpen()
      // One more start of the task adopts it as well, and ends it if it fails.
      let third = try setting.delivery(journal)
      await third.forget()
      await second.forget()
      try await self.waitForEnd(of: reader)
    }
  }

  /// The plugin is told to end while it delivers the last lines: the next process goes on.
  @Test func aFinishThatIsInterrupted() async throws {
    try await self.withSetting { setting in
      let messages = (0..<20).map { "\($0) " + String(repeating: "x", count: 10_000) }
      let journal = self.journal(messages)
      let reader = open(setting.task.stdoutPath, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
      defer { close(reader) }
      let first = try setting.unitJournal(journal)
      await first.logs?.keepFIFOsOpen()
      let finishing = Task { try await first.finish { _ in } }
      var collected: [UInt8] = []
      // Nobody reads more, so that it stands still.
      while collected.count < 5000 {
        collected += self.read(reader, atMost: 5000 - collected.count)
        await Task.yield()
      }
      finishing.cancel()
      await #expect(throws: CancellationError.self) { try await finishing.value }
      let next = try setting.unitJournal(journal, resumes: true)
      let going = Task { try await next.finish { _ in } }
      let expected = Array((messages.joined(separator: "\n") + "\n").utf8)
      while collected.count < expected.count {
        collected += self.read(reader)
        await Task.yield()
      }
      try await going.value
      #expect(collected == expected)
      await first.logs?.forget()
      try await self.waitForEnd(of: reader)
    }
  }

  /// The plugin dies before a checkpoint names the keeper.
  @Test func aKeeperThatWasNotDetachedEnds() async throws {
    try await self.withSetting { setting in
      let writer = open(setting.task.stdoutPath, O_RDWR | O_NONBLOCK | O_CLOEXEC)
      let reader = open(setting.task.stdoutPath, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
      defer { close(reader) }
      var keeper: DescriptorKeeper? = try await DescriptorKeeper.start(holding: writer, writer)
      close(writer)
      var byte: UInt8 = 0
      #expect(Foundation.read(reader, &byte, 1) == -1 && errno == EAGAIN)
      let processID = try #require(keeper?.processID)
      keeper = nil
      var status = siginfo_t()
      while waitid(P_PID, id_t(processID), &status, WEXITED | WNOHANG) == 0, status.si_signo == 0 {
        await Task.yield()
      }
      try await self.waitForEnd(of: reader)
    }
  }
}
