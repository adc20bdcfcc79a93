/// The error number of a failed start of a program.
package struct SpawnError: Error {
  /// The number (errno(3)).
  package let code: Int32

  /// Makes the error of a number.
  package init(code: Int32) { self.code = code }
}
