import AsyncPrimitives
import Synchronization
import Testing

@testable import Processes

@Suite struct CommandLimiterTests {
  private final class Counts: Sendable {
    private let counts = Mutex((running: 0, most: 0, done: 0))

    var most: Int { self.counts.withLock { $0.most } }
    var done: Int { self.counts.withLock { $0.done } }

    func begin() {
      self.counts.withLock { counts in
        counts.running += 1
        counts.most = max(counts.most, counts.running)
      }
    }

    func end() {
      self.counts.withLock { counts in
        counts.running -= 1
        counts.done += 1
      }
    }
  }

  @Test func noMoreAtOnceThanItIsWide() async throws {
    let limiter = CommandLimiter(width: 3, permitDuration: .seconds(3600))
    let counts = Counts()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<50 {
        group.addTask {
          try await limiter.run {
            counts.begin()
            for _ in 0..<10 { await Task.yield() }
            counts.end()
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(counts.most == 3)
    #expect(counts.done == 50)
  }

  @Test func aCommandThatTakesLongHoldsUpNobody() async throws {
    let limiter = CommandLimiter(width: 1, permitDuration: .milliseconds(10))
    let end = Promise<Void>()
    async let long: Void = limiter.run { try await end.value }
    try await limiter.run {}
    end.fulfil(())
    try await long
    // It has given its permit back once: there is still only one.
    let (hasPermit, next) = (Promise<Void>(), Promise<Void>())
    async let second: Void = limiter.run {
      hasPermit.fulfil(())
      try await next.value
    }
    try await hasPermit.value
    #expect(limiter.isFull)
    next.fulfil(())
    try await second
  }

  @Test func whoeverIsCancelledLosesItsTurnOnly() async throws {
    let limiter = CommandLimiter(width: 1, permitDuration: .seconds(3600))
    let (hasPermit, end) = (Promise<Void>(), Promise<Void>())
    async let first: Void = limiter.run {
      hasPermit.fulfil(())
      try await end.value
    }
    try await hasPermit.value
    let second = Task { try await limiter.run { Issue.record("it was cancelled before its turn") } }
    second.cancel()
    await #expect(throws: CancellationError.self) { try await second.value }
    async let third: Void = limiter.run {}
    end.fulfil(())
    try await first
    try await third
  }

  @Test func aCommandThatFailsGivesItsPermitBack() async throws {
    struct Failure: Error {}
    let limiter = CommandLimiter(width: 1, permitDuration: .seconds(3600))
    for _ in 0..<3 {
      await #expect(throws: Failure.self) { try await limiter.run { throw Failure() } }
    }
    try await limiter.run {}
  }
}
