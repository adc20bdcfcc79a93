import Foundation
import Glibc
import NomadPlugin
import Systemd

/// The position of a task's logs, kept beside them so that it survives the plugin.
///
/// The folder is one that the task may be able to write to: what is read is validated, and no link is followed.
final class CursorFile: Sendable {
  private let path: String
  private let descriptor: Int32

  /// The size of the file, in bytes: a cursor and line feeds, always written at once.
  private static let size = 1024

  /// Opens or makes the file for a task's logs.
  ///
  /// - Throws: `DriverError` (recoverable) with the system's reason.
  init(for task: TaskConfig) throws {
    let folder = URL(fileURLWithPath: task.stdoutPath).deletingLastPathComponent().path
    // A task's name may have any character but not be a path.
    let name = task.name.replacingOccurrences(of: "/", with: "_")
    self.path = "\(folder)/.\(name).journal-cursor"
    self.descriptor = open(self.path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0o600)
    var status = stat()
    guard self.descriptor >= 0, fstat(self.descriptor, &status) == 0 else {
      throw DriverError.recoverable("Cannot open '\(self.path)': \(String(cString: strerror(errno)))")
    }
    guard status.st_mode & S_IFMT == S_IFREG, status.st_nlink == 1 else {
      throw DriverError.recoverable("Cannot use '\(self.path)': it is not a regular file of its own.")
    }
  }

  deinit { if self.descriptor >= 0 { close(self.descriptor) } }

  /// The cursor in the file; nil if there is none, or something else.
  func read() -> JournalCursor? {
    var bytes = [UInt8](repeating: 0, count: Self.size)
    let count = pread(self.descriptor, &bytes, bytes.count, 0)
    guard count > 0 else { return nil }
    let text = bytes.prefix(count).prefix { $0 != UInt8(ascii: "\n") }
    return JournalCursor(String(decoding: text, as: UTF8.self))
  }

  /// Replaces the cursor by one write, which a crash of the plugin cannot tear.
  func write(_ cursor: JournalCursor) {
    var bytes = [UInt8](repeating: UInt8(ascii: "\n"), count: Self.size)
    bytes.replaceSubrange(0..<cursor.text.utf8.count, with: cursor.text.utf8)
    // Without it a recovery repeats lines; the logs themselves go on.
    _ = pwrite(self.descriptor, bytes, bytes.count, 0)
  }

  /// Removes the file.
  func remove() { unlink(self.path) }
}
