import Glibc
import Synchronization

/// How many files may stay open only because they are read again and again.
package final class OpenFileBudget: Sendable {
  private let left: Atomic<Int>

  /// The most: the kernel keeps a page of memory for each file of its own that has been read (its fs/seq_file.c).
  private static let most = 1024

  /// - Parameter limit: how many.
  init(_ limit: Int) { self.left = Atomic(limit) }

  /// A small share of the files that this process may have open as it is now.
  convenience init() {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue)), &limit)
    self.init(Int(min(limit.rlim_cur / 8, rlim_t(Self.most))))
  }

  /// Takes a place for a file, if there is one left.
  func take() -> Bool {
    var left = self.left.load(ordering: .relaxed)
    while left > 0 {
      let (isTaken, now) = self.left.compareExchange(
        expected: left, desired: left - 1, ordering: .relaxed)
      if isTaken { return true }
      left = now
    }
    return false
  }

  /// Gives a place back that was taken.
  func giveBack() { self.left.add(1, ordering: .relaxed) }
}
