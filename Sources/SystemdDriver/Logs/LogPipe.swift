import Foundation
import Glibc
import NomadPlugin
import Processes
import Synchronization
import Systemd

/// One of the two FIFOs from which Nomad's log collector reads a task's logs.
///
/// It is open for reading as well. So opening never waits for the collector, the FIFO keeps what the collector has not
/// read when that dies, and the collector sees the end of the file only after ``close()``.
final class LogPipe: Sendable {
  private let path: String
  /// -1 if this is /dev/null or closed.
  private let descriptor: Mutex<Int32>

  /// Opens a FIFO that Nomad has made, or /dev/null.
  ///
  /// - Throws: `DriverError` (unrecoverable) if it is neither. The task may be able to write to the directory, and what
  ///   the plugin writes as root must not go where a link leads.
  init(path: String, for task: TaskConfig) throws {
    self.path = path
    guard path != "/dev/null" else {
      self.descriptor = Mutex(-1)
      return
    }
    let directory = try AllocationDirectory(of: path, for: task)
    let descriptor = directory.open((path as NSString).lastPathComponent, O_RDWR)
    guard descriptor >= 0 else {
      let reason = errno == ELOOP ? "it is a symbolic link" : String(cString: strerror(errno))
      throw DriverError.unrecoverable(
        "Cannot open '\(path)' to deliver the task's logs: \(reason). Nomad makes a FIFO there.")
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFIFO else {
      Glibc.close(descriptor)
      throw DriverError.unrecoverable(
        "Cannot deliver the task's logs to '\(path)': it is not a FIFO. Nomad makes one there; something has "
          + "replaced it.")
    }
    self.descriptor = Mutex(descriptor)
  }

  deinit { self.close() }

  /// A further descriptor of the FIFO, which the caller closes; nil if this is /dev/null or closed.
  func duplicate() -> Int32? {
    self.descriptor.withLock { descriptor in
      let copy = descriptor < 0 ? -1 : fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
      return copy < 0 ? nil : copy
    }
  }

  /// Writes as many bytes as the FIFO has room for: all or none of up to ``atomicSize``.
  ///
  /// - Returns: how many were written; nil if there is no room.
  /// - Throws: `DriverError` if the system refuses.
  func write(_ bytes: UnsafeRawBufferPointer) throws -> Int? {
    try self.descriptor.withLock { descriptor in
      guard descriptor >= 0 else { return bytes.count }
      while true {
        let count = Glibc.write(descriptor, bytes.baseAddress, bytes.count)
        if count >= 0 { return count }
        if errno == EAGAIN { return nil }
        guard errno == EINTR else {
          throw DriverError.unrecoverable(
            "Cannot write the task's logs to '\(self.path)': \(String(cString: strerror(errno)))")
        }
      }
    }
  }

  /// How many bytes a FIFO takes whole or not at all: `PIPE_BUF` of pipe(7).
  static let atomicSize = 4096

  /// Closes the FIFO: if nobody else keeps it open, the collector sees the end of the file once it has read what is left.
  func close() {
    self.descriptor.withLock { descriptor in
      if descriptor >= 0 { Glibc.close(descriptor) }
      descriptor = -1
    }
  }

  /// Waits until the FIFO has room again, or the task is cancelled.
  func waitForRoom() async {
    // A close meanwhile must not free the number of the descriptor that is waited for.
    guard let descriptor = self.duplicate() else { return }
    defer { Glibc.close(descriptor) }
    try? await ReadinessMonitor.waitForRoom(in: descriptor)
  }

  /// Closes a descriptor from ``duplicate()``.
  static func close(_ descriptor: Int32) { Glibc.close(descriptor) }
}
