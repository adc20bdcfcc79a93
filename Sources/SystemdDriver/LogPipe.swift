import Foundation
import Glibc
import NomadPlugin
import Promises
import Systemd

/// One of the two FIFOs of a task through which Nomad's log collector takes its lines.
///
/// It is opened for reading as well: so opening never waits for the collector, what the collector has not yet
/// taken stays when it dies, and it sees the end of the file only when ``close()`` is called.
actor LogPipe {
  private let path: String
  /// -1 for /dev/null and after ``close()``.
  private var descriptor: Int32
  private var pending: ArraySlice<UInt8> = []

  /// Opens a FIFO that Nomad has made, or /dev/null.
  ///
  /// - Throws: `DriverError` (unrecoverable) if it is neither: the task may write in its folder, and what the
  ///   plugin writes as root must not go where a link leads.
  init(path: String, for task: TaskConfig) throws {
    self.path = path
    guard path != "/dev/null" else {
      self.descriptor = -1
      return
    }
    let folder = try AllocationFolder(of: path, for: task)
    let descriptor = folder.open((path as NSString).lastPathComponent, O_RDWR)
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
    self.descriptor = descriptor
  }

  deinit { if self.descriptor >= 0 { Glibc.close(self.descriptor) } }

  /// Writes all of the bytes; waits while the collector does not take them.
  ///
  /// - Throws: `CancellationError`: ``flush()`` writes what is left then; `DriverError` if the system refuses.
  func write(_ bytes: [UInt8]) async throws {
    self.pending += bytes
    try await self.flush()
  }

  /// Writes what a cancelled write has left.
  ///
  /// - Throws: as ``write(_:)``.
  func flush() async throws {
    while !self.pending.isEmpty, self.descriptor >= 0 {
      let count = self.pending.withUnsafeBytes { Glibc.write(self.descriptor, $0.baseAddress, $0.count) }
      if count >= 0 {
        self.pending = self.pending.dropFirst(count)
      } else if errno == EAGAIN {
        try Task.checkCancellation()
        await self.waitForRoom()
      } else if errno != EINTR {
        throw DriverError.unrecoverable(
          "Cannot write the task's logs to '\(self.path)': \(String(cString: strerror(errno)))")
      }
    }
    self.pending = []
  }

  /// Ends the logs: the collector sees the end of the file once it has read what is left.
  func close() {
    guard self.descriptor >= 0 else { return }
    Glibc.close(self.descriptor)
    self.descriptor = -1
  }

  /// Waits until the FIFO has room again, or the task is cancelled.
  private func waitForRoom() async {
    let hasRoom = Promise<Void>()
    guard let monitor = ReadinessMonitor.shared,
      let id = monitor.add(self.descriptor, onReady: { hasRoom.fulfil(()) })
    else {
      // Without a free descriptor there is nothing to be told by.
      try? await Task.sleep(for: Self.retryInterval)
      return
    }
    monitor.arm(self.descriptor, id: id, for: .writing)
    _ = try? await hasRoom.value
    monitor.remove(self.descriptor, id: id)
  }

  private static let retryInterval: Duration = .milliseconds(100)
}
