import Glibc

/// An error number (errno(3)) as an error.
struct ErrorNumber: Error, CustomStringConvertible {
  let number: Int32

  init(_ number: Int32) { self.number = number }

  var description: String { String(cString: strerror(self.number)) }
}
