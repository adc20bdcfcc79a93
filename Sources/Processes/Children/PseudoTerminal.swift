import CLinux
import Glibc

/// A terminal for a program, and the end of it at which the user is (pty(7)).
package final class PseudoTerminal: Sendable {
  /// What a program takes for the end of its input as long as it has not changed that: Ctrl-D.
  package static let endOfInput: UInt8 = 4

  /// The program's terminal.
  package let path: String

  /// The user's end, in non-blocking mode.
  package let input: WritableDescriptor

  /// The user's end. It is this object's.
  package let descriptor: Int32

  /// Makes a terminal; nil, with `errno` set, on failure.
  package init?() {
    let descriptor = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK)
    var unlocked: Int32 = 0
    var number: UInt32 = 0
    guard descriptor >= 0, ioctl(descriptor, LINUX_TIOCSPTLCK, &unlocked) == 0,
      ioctl(descriptor, LINUX_TIOCGPTN, &number) == 0
    else {
      let error = errno
      if descriptor >= 0 { Glibc.close(descriptor) }
      errno = error
      return nil
    }
    self.path = "/dev/pts/\(number)"
    self.descriptor = descriptor
    self.input = WritableDescriptor(descriptor)
  }

  /// Says how large the user's window is; the program gets SIGWINCH if that is news.
  package func resize(rows: UInt16, columns: UInt16) {
    var size = winsize()
    size.ws_row = rows
    size.ws_col = columns
    _ = self.input.use { ioctl($0, UInt(TIOCSWINSZ), &size) }
  }

  /// Hangs up.
  package func close() { self.input.close() }
}
