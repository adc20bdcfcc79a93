import AsyncPrimitives
import Foundation
import Logging
import NomadPlugin
import Synchronization
import Systemd
import TestHelpers
import Testing

@testable import SystemdDriver

/// The files of records and claims.
@Suite(.timeLimit(.minutes(1))) struct TaskRecordsTests {
  private func record(_ task: String, allocation: String? = nil) throws -> TaskRecord {
    var config = TaskConfig(id: task)
    config.allocationDirectory = allocation ?? ""
    return TaskRecord(of: config, unit: try UnitName("web.service"))
  }

  private func files(_ directory: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: "\(directory)/tasks").sorted()
  }

  private func mode(of path: String) -> mode_t {
    var status = stat()
    return lstat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
  }

  // MARK: Records

  @Test func anyIDHasARecordOfItsOwn() async throws {
    try await withTemporaryDirectory { parent in
      let records = TaskRecords(in: "\(parent)/driver", logger: quietLogger)
      let tasks = [
        "a/b/c", "a_b_c", "../../../etc/passwd", "", ".", "a\u{0}b", "\u{e9}", "e\u{301}",
        String(repeating: "x", count: 5000),
      ]
      for task in tasks { records.write(try self.record(task)) }
      for task in tasks {
        let found = try #require(records.read(task))
        #expect(Array(found.task.utf8) == Array(task.utf8))
      }
      #expect(try self.files("\(parent)/driver").count == tasks.count)
      for task in tasks { records.remove(task) }
      #expect(try self.files("\(parent)/driver").isEmpty)
    }
  }

  @Test func nobodyElseCanReadThem() async throws {
    try await withTemporaryDirectory { parent in
      let records = TaskRecords(in: "\(parent)/driver", logger: quietLogger)
      records.write(try self.record("a/b/c"))
      _ = try await records.claim("a/b/c")
      #expect(self.mode(of: "\(parent)/driver") == 0o711 && self.mode(of: "\(parent)/driver/tasks") == 0o700)
      let files = try self.files("\(parent)/driver")
      #expect(files.count == 2)
      for file in files { #expect(self.mode(of: "\(parent)/driver/tasks/\(file)") == 0o600) }
    }
  }

  @Test func nothingIsMadeBeforeThereIsATask() async throws {
    try await withTemporaryDirectory { parent in
      let records = TaskRecords(in: "\(parent)/driver", logger: quietLogger)
      records.sweep()
      #expect(!FileManager.default.fileExists(atPath: "\(parent)/driver"))
    }
  }

  private enum Trouble: CaseIterable {
    case writableDirectory, linkedDirectory, writableTasks, linkedTasks, file, missingParent
  }

  @Test(arguments: Trouble.allCases)
  private func aDirectoryThatIsNotThePluginsOwn(trouble: Trouble) async throws {
    try await withTemporaryDirectory { parent in
      let (own, other) = ("\(parent)/driver", "\(parent)/other")
      for directory in [other, "\(other)/tasks"] { mkdir(directory, 0o700) }
      switch trouble {
      case .writableDirectory:
        mkdir(own, 0o700)
        chmod(own, 0o777)
      case .linkedDirectory: symlink(other, own)
      case .writableTasks, .linkedTasks:
        mkdir(own, 0o700)
        if trouble == .writableTasks {
          mkdir("\(own)/tasks", 0o700)
          chmod("\(own)/tasks", 0o770)
        } else {
          symlink("\(other)/tasks", "\(own)/tasks")
        }
      case .file: try Data().write(to: URL(fileURLWithPath: own))
      case .missingParent: break
      }
      let lines = Mutex<[String]>([])
      let records = TaskRecords(
        in: trouble == .missingParent ? "\(parent)/a/b" : own,
        logger: Logger(label: "test") { _ in CapturingHandler { line in lines.withLock { $0.append(line) } } }
      )
      // No obstacle to a task, and one warning.
      for task in ["a", "b"] {
        let claim = try await records.claim(task)
        records.write(try self.record(task))
        #expect(records.read(task) == nil)
        #expect(try await claim.perform { 7 } == 7)
        claim.release(isOver: true)
      }
      records.sweep()
      #expect(lines.withLock { $0.filter { $0.hasPrefix("warning Cannot keep the records") }.count } == 1)
      #expect(try FileManager.default.contentsOfDirectory(atPath: "\(other)/tasks").isEmpty)
    }
  }

  private enum Replacement: CaseIterable {
    case link, hardLink, fifo, readableFile, largeFile, anotherTasks, garbage
  }

  @Test(arguments: Replacement.allCases)
  private func aFileThatIsNotThePluginsOwn(replacement: Replacement) async throws {
    try await withTemporaryDirectory { parent in
      let records = TaskRecords(in: "\(parent)/driver", logger: quietLogger)
      records.write(try self.record("a"))
      let file = "\(parent)/driver/tasks/\(try #require(try self.files("\(parent)/driver").first))"
      let other = "\(parent)/other"
      try FileManager.default.copyItem(atPath: file, toPath: other)
      unlink(file)
      switch replacement {
      case .link: symlink(other, file)
      case .hardLink: link(other, file)
      case .fifo: mkfifo(file, 0o600)
      case .readableFile:
        try FileManager.default.copyItem(atPath: other, toPath: file)
        chmod(file, 0o644)
      case .largeFile:
        try FileManager.default.copyItem(atPath: other, toPath: file)
        truncate(file, 1 << 30)
      case .anotherTasks:
        try Data(try self.record("b").encoded).write(to: URL(fileURLWithPath: file))
        chmod(file, 0o600)
      case .garbage:
        try Data("{".utf8).write(to: URL(fileURLWithPath: file))
        chmod(file, 0o600)
      }
      let before = try Data(contentsOf: URL(fileURLWithPath: other))
      #expect(records.read("a") == nil)
      records.write(try self.record("a"))
      #expect(records.read("a") != nil)
      #expect(try Data(contentsOf: URL(fileURLWithPath: other)) == before)
    }
  }

  // MARK: The sweep

  @Test func theSweepRemovesWhatNobodyNeeds() async throws {
    try await withTemporaryDirectory { parent in
      let records = TaskRecords(in: "\(parent)/driver", logger: quietLogger)
      mkdir("\(parent)/alloc", 0o700)
      records.write(try self.record("there", allocation: "\(parent)/alloc"))
      records.write(try self.record("gone", allocation: "\(parent)/no-alloc"))
      records.write(try self.record("unknown"))
      // Somebody has it.
      records.write(try self.record("claimed", allocation: "\(parent)/no-alloc"))
      let claim = try await records.claim("claimed")
      // Nobody has it any more.
      records.write(try self.record("left", allocation: "\(parent)/no-alloc"))
      try await records.claim("left").release(isOver: false)
      // A child that is being started can share a lock for a moment.
      try await eventually("the sweep") {
        records.sweep()
        return records.read("left") == nil
      }
      let found = ["there", "gone", "unknown", "claimed", "left"].filter { records.read($0) != nil }
      #expect(found == ["there", "unknown", "claimed"])
      #expect(try self.files("\(parent)/driver").count == 4)
      #expect(claim.isHeld)
    }
  }

  // MARK: Claims

  @Test func aClaimIsTakenWhenNothingIsUnderWay() async throws {
    try await withTemporaryDirectory { parent in
      let (first, second) = (
        TaskRecords(in: parent, logger: quietLogger), TaskRecords(in: parent, logger: quietLogger)
      )
      chmod(parent, 0o700)
      let old = try await first.claim("a")
      let isActing = Promise<Void>()
      let end = Promise<Void>()
      let hasEnded = Promise<Void>()
      let act = Task {
        try await old.perform {
          isActing.fulfil(())
          // Does not end at once when it is cancelled.
          await Task { _ = try? await end.value }.value
          hasEnded.fulfil(())
        }
      }
      try await isActing.value
      let taking = Task {
        let claim = try await second.claim("a")
        #expect(hasEnded.current != nil)
        return claim
      }
      try await eventually("the first sees it") { !old.isHeld }
      await #expect(throws: DriverError.self) { try await old.perform {} }
      end.fulfil(())
      let new = try await taking.value
      await #expect(throws: DriverError.self) { try await act.value }
      #expect(new.isHeld && !old.isHeld && old.isTaken)
      // Done with: the file is the second one's.
      old.release(isOver: true)
      #expect(new.isHeld)
      new.release(isOver: true)
      #expect(try self.files(parent).isEmpty)
    }
  }

  @Test func aPluginThatDoesNotLetGoIsNotWaitedForForEver() async throws {
    try await withTemporaryDirectory { parent in
      chmod(parent, 0o700)
      let limit = Duration.milliseconds(50)
      let all = (0..<3).map { _ in TaskRecords(in: parent, handOverLimit: limit, logger: quietLogger) }
      let old = try await all[0].claim("a")
      // It does not look at the file, as one that is stopped.
      let new = try await all[1].claim("a")
      #expect(new.isHeld)
      // And is the one that a third one has to wait for.
      let acting = Promise<Void>()
      let isActing = Promise<Void>()
      let act = Task {
        try await new.perform {
          isActing.fulfil(())
          try await acting.value
        }
      }
      try await isActing.value
      let taking = Task { try await all[2].claim("a") }
      try await eventually("the second sees it") { !new.isHeld }
      await #expect(throws: DriverError.self) { try await act.value }
      let last = try await taking.value
      // The first goes on at last, and sees it before it does anything.
      await #expect(throws: DriverError.self) { try await old.perform { Issue.record("It acts.") } }
      #expect(last.isHeld && !old.isHeld && !new.isHeld)
    }
  }

  @Test func aClaimOfAPluginThatIsGoneIsFree() async throws {
    try await withTemporaryDirectory { parent in
      chmod(parent, 0o700)
      try await TaskRecords(in: parent, logger: quietLogger).claim("a").release(isOver: false)
      let records = TaskRecords(in: parent, logger: quietLogger)
      let claim = try await records.claim("a")
      #expect(claim.isHeld)
      // Its own is not taken from itself.
      await #expect(throws: TaskRecords.ClaimFailure.ownTask) { try await records.claim("a") }
      #expect(claim.isHeld)
    }
  }

  @Test func theClaimNamesTheProcess() async throws {
    try await withTemporaryDirectory { parent in
      chmod(parent, 0o700)
      let claim = try await TaskRecords(in: parent, logger: quietLogger).claim("a")
      let file = URL(fileURLWithPath: "\(parent)/tasks/\(try #require(try self.files(parent).first))")
      let process = try JSONDecoder().decode(PluginProcess.self, from: Data(contentsOf: file))
      #expect(process.process == getpid() && process.start != nil && process.boot != nil)
      #expect(claim.isHeld)
    }
  }
}
