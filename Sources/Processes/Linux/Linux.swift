package import CLinux
import Glibc

/// Small helpers around system calls that several modules need. On failure they set `errno`.
package enum Linux {
  /// Gives memory that is not used back to the system (`malloc_trim(3)`).
  package static func trimMemory() { malloc_trim(0) }

  /// The time of a clock of `clock_gettime(2)`, in microseconds.
  package static func microseconds(_ clock: clockid_t) -> UInt64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec / 1000)
  }

  /// All of a file, such as one of proc(5); nil, with `errno` set, if it cannot be read.
  ///
  /// - Parameters:
  ///   - directory: an open directory that a relative path starts from.
  ///   - limit: reading stops when there are this many bytes.
  package static func contents(of path: String, in directory: Int32 = AT_FDCWD, limit: Int = 4 << 20)
    -> [UInt8]?
  {
    let descriptor = openat(directory, path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16 << 10)
    while bytes.count < limit {
      let count = read(descriptor, &chunk, chunk.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { return nil }
      if count == 0 { break }
      bytes += chunk[..<count]
    }
    return bytes
  }
}
