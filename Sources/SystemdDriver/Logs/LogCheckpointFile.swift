import Foundation
import Glibc
import NomadPlugin
import Systemd

/// The file with a task's ``LogCheckpoint``, beside its logs, so that it outlives the plugin.
///
/// The task may be able to write to that directory: what is read is validated, and no link is followed.
final class LogCheckpointFile: Sendable {
  private let directory: AllocationDirectory
  private let name: String
  private let descriptor: Int32

  /// The size of the file, in bytes. It is more than any checkpoint needs, and always written at once.
  private static let size = 1024

  /// Opens the file, or makes it.
  ///
  /// - Throws: `DriverError` with the system's reason.
  init(for task: TaskConfig) throws {
    self.directory = try AllocationDirectory(of: task.stdoutPath, for: task)
    // A task's name may contain a slash, a file's may not. By bytes, since a slash with a combining mark after it is
    // another Character.
    let name = String(
      decoding: task.name.utf8.map { $0 == UInt8(ascii: "/") ? UInt8(ascii: "_") : $0 }, as: UTF8.self)
    self.name = ".\(name).journal-cursor"
    self.descriptor = self.directory.open(self.name, O_RDWR | O_CREAT)
    var status = stat()
    guard self.descriptor >= 0, fstat(self.descriptor, &status) == 0 else {
      throw DriverError.recoverable("Cannot open '\(self.name)': \(String(cString: strerror(errno)))")
    }
    // A task may be able to rename Nomad's own log files, which are root's as well, to this name.
    guard status.st_mode & (S_IFMT | 0o077) == S_IFREG, status.st_nlink == 1, status.st_uid == geteuid(),
      status.st_size <= Self.size
    else {
      throw DriverError.recoverable(
        "Cannot use '\(self.name)': it is not a regular file of the plugin's own.")
    }
  }

  deinit { if self.descriptor >= 0 { close(self.descriptor) } }

  /// The checkpoint in the file; nil if it has none, or is not valid.
  func read() -> LogCheckpoint? {
    var bytes = [UInt8](repeating: 0, count: Self.size)
    let count = pread(self.descriptor, &bytes, bytes.count, 0)
    guard count > 0 else { return nil }
    return LogCheckpoint(String(decoding: bytes.prefix(count), as: UTF8.self)[...])
  }

  /// Replaces the checkpoint by one write, which a crash of the plugin cannot tear.
  ///
  /// - Returns: why that failed, in the system's words; nil if it succeeded.
  func write(_ checkpoint: LogCheckpoint) -> String? {
    var bytes = Array(checkpoint.text.utf8)
    guard bytes.count <= Self.size else { return "the checkpoint is too long" }
    bytes += repeatElement(UInt8(ascii: "\n"), count: Self.size - bytes.count)
    let count = pwrite(self.descriptor, bytes, bytes.count, 0)
    return count == bytes.count ? nil : String(cString: strerror(count < 0 ? errno : ENOSPC))
  }

  /// Removes the file.
  func remove() { self.directory.remove(self.name) }
}
