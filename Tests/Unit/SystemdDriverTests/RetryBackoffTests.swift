import Testing

@testable import SystemdDriver

@Suite struct RetryBackoffTests {
  private func delays(_ backoff: inout RetryBackoff, _ madeProgress: Bool...) -> [Duration] {
    madeProgress.map { backoff.delayAfterFailure(madeProgress: $0) }
  }

  @Test func delaysDoubleUpToTheLimit() {
    var backoff = RetryBackoff(.seconds(1)...(.seconds(30)))
    let delays = self.delays(&backoff, false, false, false, false, false, false)
    #expect(delays == [2, 4, 8, 16, 30, 30].map { .seconds($0) })
    #expect(backoff.failureCount == 6)
  }

  @Test func progressBeginsAnew() {
    var backoff = RetryBackoff(.seconds(1)...(.seconds(30)))
    let delays = self.delays(&backoff, true, false, false, true, true, false)
    #expect(delays == [1, 2, 4, 1, 1, 2].map { .seconds($0) })
    #expect(backoff.failureCount == 1)
  }

  @Test func delaysThatDoNotGrow() {
    var backoff = RetryBackoff(.seconds(1)...(.seconds(1)))
    for _ in 0..<1000 { #expect(backoff.delayAfterFailure(madeProgress: false) == .seconds(1)) }
  }
}
