import AsyncPrimitives
import Testing

@Suite struct AsyncSignalTests {
  @Test func aSignalWakesAllWhoWait() async throws {
    let signal = AsyncSignal()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<20 { group.addTask { try await signal.wait(after: 0) } }
      signal.send()
      try await group.waitForAll()
    }
    #expect(signal.count == 1)
  }

  @Test func aSignalFromBeforeTheWaitIsNotMissed() async throws {
    let signal = AsyncSignal()
    let seen = signal.count
    signal.send()
    try await signal.wait(after: seen)
    signal.send()
    try await signal.wait(after: seen)
  }

  @Test func onlyALaterSignalWakes() async throws {
    let signal = AsyncSignal()
    signal.send()
    let waiting = Task { try await signal.wait(after: 1) }
    let hasCome = try await withDeadline(after: .milliseconds(20)) {
      try await signal.wait(after: 1)
      return true
    }
    #expect(hasCome == nil)
    signal.send()
    try await waiting.value
  }

  @Test func cancellationEndsTheWait() async throws {
    let signal = AsyncSignal()
    let waiting = Task { try await signal.wait(after: 0) }
    waiting.cancel()
    await #expect(throws: CancellationError.self) { try await waiting.value }
  }
}
