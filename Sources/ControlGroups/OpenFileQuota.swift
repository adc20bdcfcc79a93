import Glibc
import Synchronization

/// How many files may stay open only because they are read again and again.
package final class OpenFileQuota: Sendable {
  private let remaining: Atomic<Int>

  /// The maximum: the kernel keeps a page of memory for each file of its own that has been read (its fs/seq_file.c).
  private static let maximum = 1024

  /// - Parameter limit: how many.
  init(_ limit: Int) { self.remaining = Atomic(limit) }

  /// A small share of the files that this process may have open as it is now.
  convenience init() {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue)), &limit)
    self.init(Int(min(limit.rlim_cur / 8, rlim_t(Self.maximum))))
  }

  /// Takes a place for a file, if there is one left.
  func acquire() -> Bool {
    var remaining = self.remaining.load(ordering: .relaxed)
    while remaining > 0 {
      let (isTaken, now) = self.remaining.compareExchange(
        expected: remaining, desired: remaining - 1, ordering: .relaxed)
      if isTaken { return true }
      remaining = now
    }
    return false
  }

  /// Gives a place back that was taken.
  func release() { self.remaining.add(1, ordering: .relaxed) }
}
