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

  @Test func aSlowCollectorHoldsTheWriterBackAndLosesNothing() async throws {
    try await self.withFolder { folder in
      let path = "\(folder)/fifo"
      #expect(mkfifo(path, 0o600) == 0)
      let pipe = try LogPipe(path: path, for: TaskConfig(id: "x"))
      let bytes = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
      let writing = Task {
        try await pipe.write(bytes)
        await pipe.close()
      }
      let read = await withCheckedContinuation { continuation in
        Thread.detachNewThread {
          let handle = FileHandle(forReadingAtPath: path)
          continuation.resume(returning: handle?.readDataToEndOfFile() ?? Data())
        }
      }
      try await writing.value
      #expect([UInt8](read) == bytes)
    }
  }

  @Test func aWriteThatWaitsCanBeCancelled() async throws {
    try await self.withFolder { folder in
      let path = "\(folder)/fifo"
      #expect(mkfifo(path, 0o600) == 0)
      let pipe = try LogPipe(path: path, for: TaskConfig(id: "x"))
      let bytes = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
      let writing = Task { try await pipe.write(bytes) }
      writing.cancel()
      await #expect(throws: CancellationError.self) { try await writing.value }
      // What was not written is written later, and what was is not repeated.
      let rest = Task {
        try await pipe.flush()
        await pipe.close()
      }
      let read = await withCheckedContinuation { continuation in
        Thread.detachNewThread {
          let handle = FileHandle(forReadingAtPath: path)
          continuation.resume(returning: handle?.readDataToEndOfFile() ?? Data())
        }
      }
      try await rest.value
      #expect([UInt8](read) == bytes)
      // Closed: nothing is written, and nothing waits.
      try await pipe.write([1])
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

  @Test func theCursorIsKept() async throws {
    try await self.withFolder { folder in
      var task = TaskConfig(id: "x")
      task.name = "../web"
      task.stdoutPath = "\(folder)/.web.stdout.fifo"
      let cursor = try #require(JournalCursor("s=1a;i=2;b=3;m=4;t=5;x=6"))
      let long = try #require(JournalCursor("s=1a;i=222222222222222222;b=3;m=4;t=5;x=6"))
      let file = try CursorFile(for: task)
      #expect(file.read() == nil)
      file.write(long)
      file.write(cursor)
      #expect(try CursorFile(for: task).read() == cursor)
      let path = "\(folder)/..._web.journal-cursor"
      let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
      #expect(mode == 0o600)
      try Data("--rotate\n".utf8).write(to: URL(fileURLWithPath: path))
      #expect(try CursorFile(for: task).read() == nil)
      try CursorFile(for: task).remove()
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
      try CursorFile(for: task).remove()
      // The task replaces its folder by a link to another one with the same names.
      let other = "\(folder)/other"
      try FileManager.default.moveItem(atPath: logs, toPath: other)
      try FileManager.default.createSymbolicLink(atPath: logs, withDestinationPath: other)
      #expect(throws: DriverError.self) { try LogPipe(path: sealed.stdoutPath, for: sealed) }
      #expect(throws: DriverError.self) { try CursorFile(for: sealed) }
      #expect(try FileManager.default.contentsOfDirectory(atPath: other) == [".web.stdout.fifo"])
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
      #expect(throws: DriverError.self) { try CursorFile(for: task) }
      unlink(path)
      #expect(link(victim, path) == 0)
      #expect(throws: DriverError.self) { try CursorFile(for: task) }
      #expect(try String(contentsOfFile: victim, encoding: .utf8) == "untouched")
    }
  }
}
