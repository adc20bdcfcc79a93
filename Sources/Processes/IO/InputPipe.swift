import CLinux
import Glibc
import Synchronization

/// A pipe to a program's standard input.
package final class InputPipe: Sendable {
  /// The program's end.
  package let readingEnd: Int32

  /// This process's end.
  package let writingEnd: WritableDescriptor

  private let isReadingEndOpen = Mutex(true)

  /// Makes a pipe; nil, with `errno` set, on failure.
  package init?() {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { return nil }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
    _ = fcntl(ends[1], F_SETPIPE_SZ, Int32(ReadableDescriptor.chunkSize))
    self.readingEnd = ends[0]
    self.writingEnd = WritableDescriptor(ends[1])
  }

  deinit { self.close() }

  /// Closes the program's end in this process, so that it is closed when the program closes it.
  package func closeReadingEnd() {
    self.isReadingEndOpen.withLock { isOpen in
      if isOpen { Glibc.close(self.readingEnd) }
      isOpen = false
    }
  }

  /// Closes both ends.
  package func close() {
    self.closeReadingEnd()
    self.writingEnd.close()
  }
}
