import Glibc
import Synchronization

/// How many files may stay open only because they are read repeatedly.
package final class OpenFileQuota: Sendable {
  private let remaining: Atomic<Int>

  /// The largest quota. The kernel keeps a page of memory for each open file of its own (its fs/seq_file.c).
  private static let maximum = 1024

  /// - Parameter limit: the number of files.
  init(_ limit: Int) { self.remaining = Atomic(limit) }

  /// A small share of this process's limit on open files.
  convenience init() {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue)), &limit)
    self.init(Int(min(limit.rlim_cur / 8, rlim_t(Self.maximum))))
  }

  /// Takes one file from the quota; false if none remains.
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

  /// Gives back one file that was taken.
  func release() { self.remaining.add(1, ordering: .relaxed) }
}
