/// The delays between attempts that fail: each twice the one before, up to a limit.
struct RetryBackoff: Sendable, Hashable {
  private let delays: ClosedRange<Duration>
  /// How many attempts in a row have failed without any progress.
  private(set) var failureCount = 0

  /// - Parameter delays: the delay after an attempt that made progress, and the longest one.
  init(_ delays: ClosedRange<Duration>) { self.delays = delays }

  /// Counts an attempt that failed.
  ///
  /// - Parameter madeProgress: whether it achieved something before it failed.
  /// - Returns: how long to wait before the next attempt.
  mutating func delayAfterFailure(madeProgress: Bool) -> Duration {
    self.failureCount = madeProgress ? 0 : self.failureCount + 1
    // Enough doublings to reach any limit, and few enough not to overflow.
    return min(self.delays.lowerBound * (1 << min(self.failureCount, 20)), self.delays.upperBound)
  }
}
