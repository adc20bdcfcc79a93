import Glibc

/// One of the kernel's files, or a directory of them, that is open. What such a file tells is made when it is read from its
/// beginning, so one that stays open can be read again: most of what a reading costs is to open it.
final class KernelFile {
  let descriptor: Int32
  private let quota: OpenFileQuota?

  /// The largest number of bytes that is read of a file.
  static let limit = 16 << 10
  /// How much is read at once. The kernel makes lists in pages, and tells less than it was asked for before the end of one
  /// only if more than a page was asked for (its fs/seq_file.c).
  private static let pieceSize = 1 << 10

  /// Whether it may stay open.
  var mayStayOpen: Bool { self.quota != nil }

  /// - Parameters:
  ///   - directory: where a relative path begins.
  ///   - quota: gives the file a place to stay open, if there is one; without it may not.
  init?(_ path: String, in directory: Int32 = AT_FDCWD, _ flags: Int32, _ quota: OpenFileQuota?) {
    self.descriptor = openat(directory, path, flags | O_CLOEXEC)
    guard self.descriptor >= 0 else { return nil }
    self.quota = quota.flatMap { $0.acquire() ? $0 : nil }
  }

  deinit {
    close(self.descriptor)
    self.quota?.release()
  }

  /// Reads the file from its beginning, up to ``limit``; `nil` if it cannot be read, as where what it tells of is gone.
  func read() -> [UInt8]? {
    withUnsafeTemporaryAllocation(byteCount: Self.pieceSize, alignment: 1) { piece in
      var bytes: [UInt8] = []
      while bytes.count < Self.limit {
        let size = pread(self.descriptor, piece.baseAddress, piece.count, off_t(bytes.count))
        if size < 0, errno == EINTR { continue }
        guard size >= 0 else { return nil }
        bytes += piece[..<size]
        // Most of what is left are system calls: there is none to hear that this was all.
        if size < piece.count { break }
      }
      return bytes
    }
  }
}
