import Foundation
import NomadPlugin
import Systemd
import Testing

@testable import SystemdDriver

/// The FIFOs and the file beside them.
@Suite struct LogFileTests {
  private func withDirectory<R>(_ body: (String) async throws -> R) async throws -> R {
    let directory = "\(NSTemporaryDirectory())/logs-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    return try await body(directory)
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
    try await self.withDirectory { directory in
      let path = "\(directory)/fifo"
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
    try await self.withDirectory { directory in
      let path = "\(directory)/fifo"
      #expect(mkfifo(path, 0o600) == 0)
      let pipe = try LogPipe(path: path, for: TaskConfig(id: "x"))
      let writing = Task { try await self.write([UInt8](repeating: 7, count: 1_000_000), to: pipe) }
      writing.cancel()
      await #expect(throws: CancellationError.self) { try await writing.value }
    }
  }

  @Test func whatIsNoFIFOIsRefused() async throws {
    try await self.withDirectory { directory in
      let file = "\(directory)/file"
      try Data().write(to: URL(fileURLWithPath: file))
      let fifo = "\(directory)/fifo"
      #expect(mkfifo(fifo, 0o600) == 0)
      let link = "\(directory)/link"
      try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: fifo)
      for path in [file, link, directory, "\(directory)/none", "/dev/zero", ""] {
        #expect(throws: DriverError.self) { try LogPipe(path: path, for: TaskConfig(id: "x")) }
      }
      _ = try LogPipe(path: "/dev/null", for: TaskConfig(id: "x"))
    }
  }

  @Test func theCheckpointIsSaved() async throws {
    try await self.withDirectory { directory in
      var task = TaskConfig(id: "x")
      task.name = "../web"
      task.stdoutPath = "\(directory)/.web.stdout.fifo"
      let cursor = try #require(JournalCursor("s=1a;i=2;b=3;m=4;t=5;x=6"))
      let long = try #require(JournalCursor("s=1a;i=222222222222222222;b=3;m=4;t=5;x=6"))
      let file = try LogCheckpointFile(for: task)
      #expect(file.read() == nil)
      for checkpoint in [
        LogCheckpoint(cursor: long, partial: 123_456, keeper: 4_194_304), LogCheckpoint(cursor: cursor),
        LogCheckpoint(partial: 3, keeper: 2), LogCheckpoint(),
      ] {
        #expect(file.write(checkpoint) == nil)
        #expect(try LogCheckpointFile(for: task).read() == checkpoint)
      }
      let path = "\(directory)/..._web.journal-cursor"
      let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
      #expect(mode == 0o600)
      for rubbish in ["--rotate\n\n\n", "\n-1\n\n", "\nx\n\n", "\n", "s=1", "\0\0"] {
        try Data(rubbish.utf8).write(to: URL(fileURLWithPath: path))
        #expect(try LogCheckpointFile(for: task).read() == nil, "\(rubbish)")
      }
      // No process of the system's own.
      try Data("s=1\n0\n1\n".utf8).write(to: URL(fileURLWithPath: path))
      #expect(try LogCheckpointFile(for: task).read() == LogCheckpoint(cursor: JournalCursor("s=1")))
      try LogCheckpointFile(for: task).remove()
      #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == [])
    }
  }

  @Test func aLinkOnTheWayIsNotFollowed() async throws {
    try await self.withDirectory { directory in
      var task = TaskConfig(id: "x")
      task.name = "web"
      task.allocationDirectory = "\(directory)/alloc"
      task.stdoutPath = "\(directory)/alloc/alloc/logs/.web.stdout.fifo"
      let sealed = task
      let logs = "\(directory)/alloc/alloc/logs"
      try FileManager.default.createDirectory(atPath: logs, withIntermediateDirectories: true)
      #expect(mkfifo(task.stdoutPath, 0o600) == 0)
      _ = try LogPipe(path: task.stdoutPath, for: task)
      try LogCheckpointFile(for: task).remove()
      // The task replaces its directory by a link to another one with the same names.
      let other = "\(directory)/other"
      try FileManager.default.moveItem(atPath: logs, toPath: other)
      try FileManager.default.createSymbolicLink(atPath: logs, withDestinationPath: other)
      #expect(throws: DriverError.self) { try LogPipe(path: sealed.stdoutPath, for: sealed) }
      #expect(throws: DriverError.self) { try LogCheckpointFile(for: sealed) }
      #expect(try FileManager.default.contentsOfDirectory(atPath: other) == [".web.stdout.fifo"])
    }
  }

  /// To Swift a slash with a combining mark after it is another Character, to the kernel it is a slash.
  @Test func aSlashIsOneWhateverFollowsIt() async throws {
    try await self.withDirectory { directory in
      var task = TaskConfig(id: "x")
      task.name = "./\u{301}x"
      task.allocationDirectory = "\(directory)/alloc"
      task.stdoutPath = "\(directory)/alloc/\u{301}logs/.web.stdout.fifo"
      let logs = "\(directory)/alloc/\u{301}logs"
      try FileManager.default.createDirectory(atPath: logs, withIntermediateDirectories: true)
      let file = try LogCheckpointFile(for: task)
      #expect(try FileManager.default.contentsOfDirectory(atPath: logs) == [".._\u{301}x.journal-cursor"])
      file.remove()
      // A link on the way, before the mark.
      try FileManager.default.createSymbolicLink(
        atPath: "\(directory)/alloc/link", withDestinationPath: "\(directory)/alloc")
      task.stdoutPath = "\(directory)/alloc/link/\u{301}logs/.web.stdout.fifo"
      #expect(throws: DriverError.self) { try LogCheckpointFile(for: task) }
    }
  }

  @Test func aLinkInPlaceOfTheCursorIsNotFollowed() async throws {
    try await self.withDirectory { directory in
      var task = TaskConfig(id: "x")
      task.name = "web"
      task.stdoutPath = "\(directory)/.web.stdout.fifo"
      let victim = "\(directory)/victim"
      try Data("untouched".utf8).write(to: URL(fileURLWithPath: victim))
      let path = "\(directory)/.web.journal-cursor"
      try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: victim)
      #expect(throws: DriverError.self) { try LogCheckpointFile(for: task) }
      unlink(path)
      #expect(link(victim, path) == 0)
      #expect(throws: DriverError.self) { try LogCheckpointFile(for: task) }
      // One of Nomad's, root's as well, that the task has renamed.
      unlink(path)
      #expect(chmod(victim, 0o644) == 0 && rename(victim, path) == 0)
      #expect(throws: DriverError.self) { try LogCheckpointFile(for: task) }
      #expect(try String(contentsOfFile: path, encoding: .utf8) == "untouched")
    }
  }
}
