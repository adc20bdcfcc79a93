import CLinux
import Glibc

/// A pseudoterminal (pty(7)): a terminal for a program, and the user's end of it.
package final class PseudoTerminal: Sendable {
  /// The character that ends a program's input, unless the program has changed it: Ctrl-D.
  package static let endOfInput: UInt8 = 4

  /// The path of the program's terminal.
  package let path: String

  /// The user's end, in non-blocking mode.
  package let input: WritableDescriptor

  /// The user's end, which this object closes.
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

  /// Sets the size of the user's window. If it has changed, the program gets SIGWINCH.
  package func resize(rows: UInt16, columns: UInt16) {
    var size = winsize()
    size.ws_row = rows
    size.ws_col = columns
    _ = self.input.use { ioctl($0, UInt(TIOCSWINSZ), &size) }
  }

  /// Closes the user's end, which hangs up the terminal.
  package func close() { self.input.close() }
}
