import Glibc

/// A new transcript file, readable by its owner only. It is closed when this object is released.
final class TranscriptFile: Sendable {
  private let descriptor: Int32

  /// Creates the file, which must not exist.
  ///
  /// - Parameter directory: the descriptor of the directory that a relative path starts from.
  /// - Throws: the error number (errno(3)).
  init(_ path: String, in directory: Int32 = AT_FDCWD) throws(ErrorNumber) {
    let flags = O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC
    self.descriptor = openat(directory, path, flags, 0o600)
    if self.descriptor < 0 { throw ErrorNumber(errno) }
  }

  deinit { close(self.descriptor) }

  /// Appends all of the bytes. On failure the part that was written is removed, if possible.
  func append(_ bytes: [UInt8]) throws(ErrorNumber) {
    let end = lseek(self.descriptor, 0, SEEK_END)
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBytes {
        write(self.descriptor, $0.baseAddress.map { $0 + written }, $0.count - written)
      }
      if count < 0 {
        let error = errno
        if error == EINTR { continue }
        if written > 0 { _ = ftruncate(self.descriptor, end) }
        throw ErrorNumber(error)
      }
      written += count
    }
  }
}
