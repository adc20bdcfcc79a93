import Glibc

/// An open file of the kernel, or an open directory of such files.
///
/// The kernel makes the content when the file is read from its beginning, so a file that stays open can be
/// read again. Most of the cost of a reading is to open the file.
final class KernelFile {
  let descriptor: Int32
  private let quota: OpenFileQuota?

  /// The largest number of bytes that is read of a file.
  static let limit = 16 << 10
  /// How many bytes are read at once. The kernel makes lists in pages. It returns less than it was asked for
  /// before the end only if it was asked for more than a page (its fs/seq_file.c).
  private static let pieceSize = 1 << 10

  /// Whether it may stay open.
  var mayStayOpen: Bool { self.quota != nil }

  /// - Parameters:
  ///   - directory: where a relative path begins.
  ///   - quota: if it is not used up, the file may stay open; nil if it may not.
  init?(_ path: String, in directory: Int32 = AT_FDCWD, _ flags: Int32, _ quota: OpenFileQuota?) {
    self.descriptor = openat(directory, path, flags | O_CLOEXEC)
    guard self.descriptor >= 0 else { return nil }
    self.quota = quota.flatMap { $0.acquire() ? $0 : nil }
  }

  deinit {
    close(self.descriptor)
    self.quota?.release()
  }

  /// Reads the file from its beginning, up to ``limit``; nil if it cannot be read, such as one about a
  /// process that is gone.
  func read() -> [UInt8]? {
    withUnsafeTemporaryAllocation(byteCount: Self.pieceSize, alignment: 1) { piece in
      var bytes: [UInt8] = []
      while bytes.count < Self.limit {
        let size = pread(self.descriptor, piece.baseAddress, piece.count, off_t(bytes.count))
        if size < 0, errno == EINTR { continue }
        guard size >= 0 else { return nil }
        bytes += piece[..<size]
        // This is the end of the file. It saves the system call that would return nothing.
        if size < piece.count { break }
      }
      return bytes
    }
  }
}
