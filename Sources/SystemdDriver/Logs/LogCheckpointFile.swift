import Foundation
import Glibc
import NomadPlugin
import Systemd

/// The ``LogCheckpoint`` of a task, kept beside them so that it survives the plugin.
///
/// The directory is one that the task may be able to write to: what is read is validated, and no link is followed.
final class LogCheckpointFile: Sendable {
  private let directory: AllocationDirectory
  private let name: String
  private let descriptor: Int32

  /// The size of the file, in bytes: more than any position needs, always written at once.
  private static let size = 1024

  /// Opens or makes the file for a task's logs.
  ///
  /// - Throws: `DriverError` with the system's reason.
  init(for task: TaskConfig) throws {
    self.directory = try AllocationDirectory(of: task.stdoutPath, for: task)
    // A task's name may have any character but not be a path. (By bytes: a slash with a combining mark after it is
    // another Character.)
    let name = String(
      decoding: task.name.utf8.map { $0 == UInt8(ascii: "/") ? UInt8(ascii: "_") : $0 }, as: UTF8.self)
    self.name = ".\(name).journal-cursor"
    self.descriptor = self.directory.open(self.name, O_RDWR | O_CREAT)
    var status = stat()
    guard self.descriptor >= 0, fstat(self.descriptor, &status) == 0 else {
      throw DriverError.recoverable("Cannot open '\(self.name)': \(String(cString: strerror(errno)))")
    }
    // Nomad's own logs beside it are root's as well, and a task may be able to rename them.
    guard status.st_mode & (S_IFMT | 0o077) == S_IFREG, status.st_nlink == 1, status.st_uid == geteuid(),
      status.st_size <= Self.size
    else {
      throw DriverError.recoverable(
        "Cannot use '\(self.name)': it is not a regular file of the plugin's own.")
    }
  }

  deinit { if self.descriptor >= 0 { close(self.descriptor) } }

  /// The position in the file; nil if there is none, or something else.
  func read() -> LogCheckpoint? {
    var bytes = [UInt8](repeating: 0, count: Self.size)
    let count = pread(self.descriptor, &bytes, bytes.count, 0)
    guard count > 0 else { return nil }
    return LogCheckpoint(String(decoding: bytes.prefix(count), as: UTF8.self)[...])
  }

  /// Replaces the position by one write, which a crash of the plugin cannot tear.
  ///
  /// - Returns: why that was not possible, in the system's words; nil if it was.
  func write(_ position: LogCheckpoint) -> String? {
    var bytes = Array(position.text.utf8)
    guard bytes.count <= Self.size else { return "the position is too long" }
    bytes += repeatElement(UInt8(ascii: "\n"), count: Self.size - bytes.count)
    let count = pwrite(self.descriptor, bytes, bytes.count, 0)
    return count == bytes.count ? nil : String(cString: strerror(count < 0 ? errno : ENOSPC))
  }

  /// Removes the file.
  func remove() { self.directory.remove(self.name) }
}
