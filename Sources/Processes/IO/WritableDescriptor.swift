import Glibc
import Synchronization

/// A descriptor in non-blocking mode that can be written to without blocking a thread.
package final class WritableDescriptor: Sendable {
  /// -1 when it is closed.
  private let descriptor: Mutex<Int32>

  /// Takes over a descriptor.
  package init(_ descriptor: Int32) { self.descriptor = Mutex(descriptor) }

  deinit { self.close() }

  /// Writes all of the bytes; waits while there is no room for them.
  ///
  /// - Returns: false if nobody reads any more, or the descriptor is closed.
  /// - Throws: `CancellationError` if the task is cancelled while it waits.
  package func write(_ bytes: [UInt8]) async throws -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
      var error: Int32 = 0
      let count = self.use { descriptor in
        let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        error = errno
        return count
      }
      guard let count else { return false }
      if count > 0 {
        rest = rest.dropFirst(count)
      } else if count == 0 || error == EAGAIN {
        try Task.checkCancellation()
        guard let copy = self.use({ fcntl($0, F_DUPFD_CLOEXEC, 0) }) else { return false }
        defer { Glibc.close(copy) }
        try await ReadinessMonitor.waitForRoom(in: copy)
      } else if error != EINTR {
        return false
      }
    }
    return true
  }

  /// Calls `body` with the descriptor, unless it is closed.
  func use<Result: Sendable>(_ body: (Int32) -> Result) -> Result? {
    self.descriptor.withLock { $0 < 0 ? nil : body($0) }
  }

  /// Closes the descriptor.
  package func close() {
    self.descriptor.withLock { descriptor in
      if descriptor >= 0 { Glibc.close(descriptor) }
      descriptor = -1
    }
  }
}
