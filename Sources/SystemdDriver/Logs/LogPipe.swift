import Foundation
import Glibc
import NomadPlugin
import Processes
import Synchronization
import Systemd

/// One of the two FIFOs of a task through which Nomad's log collector takes its lines.
///
/// It is opened for reading as well: so opening never waits for the collector, what the collector has not yet
/// taken stays when it dies, and it sees the end of the file only when ``close()`` is called.
final class LogPipe: Sendable {
  private let path: String
  /// -1 for /dev/null and after ``close()``.
  private let descriptor: Mutex<Int32>

  /// Opens a FIFO that Nomad has made, or /dev/null.
  ///
  /// - Throws: `DriverError` (unrecoverable) if it is neither: the task may write in its directory, and what the
  ///   plugin writes as root must not go where a link leads.
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

  /// A descriptor of the FIFO of its own, for a child to inherit; nil for /dev/null. The caller closes it.
  func duplicate() -> Int32? {
    self.descriptor.withLock { descriptor in
      let copy = descriptor < 0 ? -1 : fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
      return copy < 0 ? nil : copy
    }
  }

  /// Writes bytes, as many as the FIFO has room for: all or none if they are not more than ``atomicSize``.
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

  /// Ends the logs: the collector sees the end of the file once it has read what is left.
  func close() {
    self.descriptor.withLock { descriptor in
      if descriptor >= 0 { Glibc.close(descriptor) }
      descriptor = -1
    }
  }

  /// Waits until the FIFO has room again, or the task is cancelled.
  func waitForRoom() async {
    // Of its own, so that it is the same one when the waiting ends.
    guard let descriptor = self.duplicate() else { return }
    defer { Glibc.close(descriptor) }
    try? await ReadinessMonitor.waitForRoom(in: descriptor)
  }

  /// Closes what ``duplicate()`` gave.
  static func close(_ descriptor: Int32) { Glibc.close(descriptor) }
}
