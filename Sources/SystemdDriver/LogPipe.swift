import Dispatch
import Glibc
import NomadPlugin

/// One of the two FIFOs of a task through which Nomad's log collector takes its lines.
///
/// It is opened for reading as well: so opening never waits for the collector, what the collector has not yet
/// taken stays when it dies, and it sees the end of the file only when ``close()`` is called.
actor LogPipe {
  private let path: String
  /// -1 for /dev/null and after ``close()``.
  private var descriptor: Int32

  /// Opens a FIFO that Nomad has made, or /dev/null.
  ///
  /// - Throws: `DriverError` (unrecoverable) if it is neither: the task may write in its folder, and what the
  ///   plugin writes as root must not go where a link leads.
  init(path: String) throws {
    self.path = path
    guard path != "/dev/null" else {
      self.descriptor = -1
      return
    }
    let descriptor = open(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY)
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
  /// - Throws: `CancellationError`, when a part may have been written; `DriverError` if the system refuses.
  func write(_ bytes: [UInt8]) async throws {
    var rest = bytes[...]
    while !rest.isEmpty, self.descriptor >= 0 {
      let count = rest.withUnsafeBytes { Glibc.write(self.descriptor, $0.baseAddress, $0.count) }
      if count >= 0 {
        rest = rest.dropFirst(count)
      } else if errno == EAGAIN {
        try Task.checkCancellation()
        await self.waitForRoom()
      } else if errno != EINTR {
        throw DriverError.unrecoverable(
          "Cannot write the task's logs to '\(self.path)': \(String(cString: strerror(errno)))")
      }
    }
  }

  /// Ends the logs: the collector sees the end of the file once it has read what is left.
  func close() {
    guard self.descriptor >= 0 else { return }
    Glibc.close(self.descriptor)
    self.descriptor = -1
  }

  private func waitForRoom() async {
    let source = DispatchSource.makeWriteSource(fileDescriptor: self.descriptor)
    let canceller = Canceller(source: source)
    source.setEventHandler { canceller.cancel() }
    await withTaskCancellationHandler {
      await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
        source.setCancelHandler { continuation.resume() }
        source.activate()
      }
    } onCancel: {
      canceller.cancel()
    }
  }

  private struct Canceller: @unchecked Sendable {
    // A dispatch source may be cancelled from any thread, and any number of times.
    let source: any DispatchSourceWrite

    func cancel() { self.source.cancel() }
  }
}
