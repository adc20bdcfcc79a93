import AsyncPrimitives
import Synchronization
import TestHelpers
import Testing

@Suite struct AsyncSemaphoreTests {
  private final class Counts: Sendable {
    let mutex = Mutex((current: 0, maximum: 0, total: 0))
    let order = Mutex<[Int]>([])
  }

  @Test func noMorePermitsThanThereAre() async throws {
    let semaphore = AsyncSemaphore(permits: 3)
    let counts = Counts()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<100 {
        group.addTask {
          try? await semaphore.withPermit {
            counts.mutex.withLock {
              $0.current += 1
              $0.maximum = max($0.maximum, $0.current)
            }
            for _ in 0..<5 { await Task.yield() }
            counts.mutex.withLock {
              $0.current -= 1
              $0.total += 1
            }
          }
        }
      }
    }
    #expect(counts.mutex.withLock { $0.maximum } == 3)
    #expect(counts.mutex.withLock { $0.total } == 100)
    #expect(semaphore.freePermits == 3 && semaphore.waiterCount == 0)
  }

  @Test func permitsComeInTheOrderOfArrival() async throws {
    let semaphore = AsyncSemaphore(permits: 1)
    try await semaphore.acquire()
    let counts = Counts()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<10 {
        group.addTask {
          try await semaphore.acquire()
          counts.order.withLock { $0.append(number) }
          semaphore.release()
        }
        try await eventually { semaphore.waiterCount == number + 1 }
      }
      semaphore.release()
      try await group.waitForAll()
    }
    #expect(counts.order.withLock { $0 } == Array(0..<10))
  }

  @Test func aCancelledTaskTakesNoPermit() async throws {
    let semaphore = AsyncSemaphore(permits: 1)
    try await semaphore.acquire()
    let waiting = Task { try await semaphore.acquire() }
    try await eventually { semaphore.waiterCount == 1 }
    waiting.cancel()
    await #expect(throws: CancellationError.self) { try await waiting.value }
    #expect(semaphore.waiterCount == 0)
    semaphore.release()
    #expect(semaphore.freePermits == 1)
    // A task that is cancelled before it waits does not wait either, whether it finds a permit or not.
    try await semaphore.acquire()
    let cancelled = Task {
      try? await Task.sleep(for: .seconds(60))
      try await semaphore.acquire()
    }
    cancelled.cancel()
    await #expect(throws: CancellationError.self) { try await cancelled.value }
    #expect(semaphore.waiterCount == 0)
  }

  @Test func anErrorGivesThePermitBack() async throws {
    struct Failure: Error {}
    let semaphore = AsyncSemaphore(permits: 1)
    await #expect(throws: Failure.self) { try await semaphore.withPermit { throw Failure() } }
    #expect(semaphore.freePermits == 1)
  }

  @Test func cancellationsAndReleasesAtOnce() async throws {
    let semaphore = AsyncSemaphore(permits: 2)
    for _ in 0..<200 {
      try await semaphore.acquire()
      try await semaphore.acquire()
      let tasks = (0..<4).map { _ in Task { try await semaphore.acquire() } }
      async let cancelling: Void = { for task in tasks { task.cancel() } }()
      semaphore.release()
      semaphore.release()
      await cancelling
      var taken = 0
      for task in tasks where (try? await task.value) != nil { taken += 1 }
      for _ in 0..<taken { semaphore.release() }
      #expect(semaphore.freePermits == 2 && semaphore.waiterCount == 0)
    }
  }
}
