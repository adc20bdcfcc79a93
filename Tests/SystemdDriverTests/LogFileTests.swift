import Foundation
import NomadPlugin
import Systemd
import Testing

@testable import SystemdDriver

/// The FIFOs and the file beside them.
@Suite struct LogFileTests {
  private func withFolder<R>(_ body: (String) async throws -> R) async throws -> R {
    let folder = "\(NSTemporaryDirectory())/logs-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    return try await body(folder)
  }

  private func write(_ bytes: [UInt8], to pipe: LogPipe) async throws {
    var written = 0
    while written < bytes.count {
      try Task.checkCancellation()
      let count = try bytes.withUnsafeBytes {
        try pipe.write(UnsafeRawBufferPointer(rebasing: $0[written...]))
      }
      if let count { written += count } else { await pipe.waitForRoom() }
    }
  }

  @Test func aSlowCollectorHoldsTheWriterBackAndLosesNothing() async throws {
    try await self.withFolder { folder in
      let path = "\(folder)/fifo"
      #expect(mkfifo(path, 0o600) == 0)
      let pipe = try LogPipe(path: path, for: TaskConfig(id: "x"))
      let bytes = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
      let writing = Task {
        try await self.write(bytes, to: pipe)
        pipe.close()
      }
      let read = await withCheckedContinuation { continuation in
        Thread.detachNewThread {
          let handle = FileHandle(forReadingAtPath: path)
          continuation.resume(returning: handle?.readDataToEndOfFile() ?? Data())
        }
      }
      try await writing.value
      #expect([UInt8](read) == bytes)
      // Closed: nothing is written, and nothing waits.
      try await self.write([1], to: pipe)
      await pipe.waitForRoom()
    }
  }

  @Test func aWriteThatWaitsCanBeCancelled() async throws {
    try await self.withFolder { folder in
      let path = "\(folder)/fifo"
      #expect(mkfifo(path, 0o600) == 0)
      let pipe = try LogPipe(path: path, for: TaskConfig(id: "x"))
      let writing = Task { try await self.write([UInt8](repeating: 7, count: 1_000_000), to: pipe) }
      writing.cancel()
      await #expect(throws: CancellationError.self) { try await writing.value }
    }
  }

  @Test func whatIsNoFIFOIsRefused() async throws {
    try await self.withFolder { folder in
      let file = "\(folder)/file"
      try Data().write(to: URL(fileURLWithPath: file))
      let fifo = "\(folder)/fifo"
      #expect(mkfifo(fifo, 0o600) == 0)
      let link = "\(folder)/link"
      try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: fifo)
      for path in [file, link, folder, "\(folder)/none", "/dev/zero", ""] {
        #expect(throws: DriverError.self) { try LogPipe(path: path, for: TaskConfig(id: "x")) }
      }
      _ = try LogPipe(path: "/dev/null", for: TaskConfig(id: "x"))
    }
  }

  @Test func thePositionIsKept() async throws {
    try await self.withFolder { folder in
      var task = TaskConfig(id: "x")
      task.name = "../web"
      task.stdoutPath = "\(folder)/.web.stdout.fifo"
      let cursor = try #require(JournalCursor("s=1a;i=2;b=3;m=4;t=5;x=6"))
      let long = try #require(JournalCursor("s=1a;i=222222222222222222;b=3;m=4;t=5;x=6"))
      let file = try LogPositionFile(for: task)
      #expect(file.read() == nil)
      for position in [
        LogPosition(cursor: long, partial: 123_456, holder: 4_194_304), LogPosition(cursor: cursor),
        LogPosition(partial: 3, holder: 2), LogPosition(),
      ] {
        #expect(file.write(position) == nil)
        #expect(try LogPositionFile(for: task).read() == position)
      }
      let path = "\(folder)/..._web.journal-cursor"
      let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
      #expect(mode == 0o600)
      for rubbish in ["--rotate\n\n\n", "\n-1\n\n", "\nx\n\n", "\n", "s=1", "\0\0"] {
        try Data(rubbish.utf8).write(to: URL(fileURLWithPath: path))
        #expect(try LogPositionFile(for: task).read() == nil, "\(rubbish)")
      }
      // No process of the system's own.
      try Data("s=1\n0\n1\n".utf8).write(to: URL(fileURLWithPath: path))
      #expect(try LogPositionFile(for: task).read() == LogPosition(cursor: JournalCursor("s=1")))
      try LogPositionFile(for: task).remove()
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == [])
    }
  }

  @Test func aLinkOnTheWayIsNotFollowed() async throws {
    try await self.withFolder { folder in
      var task = TaskConfig(id: "x")
      task.name = "web"
      task.allocationDirectory = "\(folder)/alloc"
      task.stdoutPath = "\(folder)/alloc/alloc/logs/.web.stdout.fifo"
      let sealed = task
      let logs = "\(folder)/alloc/alloc/logs"
      try FileManager.default.createDirectory(atPath: logs, withIntermediateDirectories: true)
      #expect(mkfifo(task.stdoutPath, 0o600) == 0)
      _ = try LogPipe(path: task.stdoutPath, for: task)
      try LogPositionFile(for: task).remove()
      // The task replaces its folder by a link to another one with the same names.
      let other = "\(folder)/other"
      try FileManager.default.moveItem(atPath: logs, toPath: other)
      try FileManager.default.createSymbolicLink(atPath: logs, withDestinationPath: other)
      #expect(throws: DriverError.self) { try LogPipe(path: sealed.stdoutPath, for: sealed) }
      #expect(throws: DriverError.self) { try LogPositionFile(for: sealed) }
      #expect(try FileManager.default.contentsOfDirectory(atPath: other) == [".web.stdout.fifo"])
    }
  }

  /// To Swift a slash with a combining mark after it is another Character, to the kernel it is a slash.
  @Test func aSlashIsOneWhateverFollowsIt() async throws {
    try await self.withFolder { folder in
      var task = TaskConfig(id: "x")
      task.name = "./\u{301}x"
      task.allocationDirectory = "\(folder)/alloc"
      task.stdoutPath = "\(folder)/alloc/\u{301}logs/.web.stdout.fifo"
      let logs = "\(folder)/alloc/\u{301}logs"
      try FileManager.default.createDirectory(atPath: logs, withIntermediateDirectories: true)
      let file = try LogPositionFile(for: task)
      #expect(try FileManager.default.contentsOfDirectory(atPath: logs) == [".._\u{301}x.journal-cursor"])
      file.remove()
      // A link on the way, before the mark.
      try FileManager.default.createSymbolicLink(
        atPath: "\(folder)/alloc/link", withDestinationPath: "\(folder)/alloc")
      task.stdoutPath = "\(folder)/alloc/link/\u{301}logs/.web.stdout.fifo"
      #expect(throws: DriverError.self) { try LogPositionFile(for: task) }
    }
  }

  @Test func aLinkInPlaceOfTheCursorIsNotFollowed() async throws {
    try await self.withFolder { folder in
      var task = TaskConfig(id: "x")
      task.name = "web"
      task.stdoutPath = "\(folder)/.web.stdout.fifo"
      let victim = "\(folder)/victim"
      try Data("untouched".utf8).write(to: URL(fileURLWithPath: victim))
      let path = "\(folder)/.web.journal-cursor"
      try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: victim)
      #expect(throws: DriverError.self) { try LogPositionFile(for: task) }
      unlink(path)
      #expect(link(victim, path) == 0)
      #expect(throws: DriverError.self) { try LogPositionFile(for: task) }
      // One of Nomad's, root's as well, that the task has renamed.
      unlink(path)
      #expect(chmod(victim, 0o644) == 0 && rename(victim, path) == 0)
      #expect(throws: DriverError.self) { try LogPositionFile(for: task) }
      #expect(try String(contentsOfFile: path, encoding: .utf8) == "untouched")
    }
  }
}
