import Synchronization

/// A number of permits. Who finds none free waits for one, in the order of arrival.
package final class AsyncSemaphore: Sendable {
  private struct State {
    var permits: Int
    var lastTicket: UInt64 = 0
    var waiters: [(ticket: UInt64, continuation: CheckedContinuation<Void, any Error>)] = []
  }

  private let state: Mutex<State>

  /// - Parameter permits: how many there are.
  package init(permits: Int) { self.state = Mutex(State(permits: permits)) }

  /// How many permits are free.
  package var freePermits: Int { self.state.withLock { $0.permits } }

  /// How many tasks wait for a permit.
  package var waiterCount: Int { self.state.withLock { $0.waiters.count } }

  /// Takes a permit. Whoever has taken one calls ``release()`` once.
  ///
  /// - Throws: `CancellationError` if the task is cancelled while it waits; no permit is taken then.
  package func acquire() async throws {
    let ticket = self.state.withLock { state -> UInt64? in
      if state.permits > 0 {
        state.permits -= 1
        return nil
      }
      state.lastTicket += 1
      return state.lastTicket
    }
    guard let ticket else { return }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        let result = self.state.withLock { state -> Result<Void, any Error>? in
          if state.permits > 0 {
            state.permits -= 1
            return .success(())
          }
          // Checked with the lock held: a later cancellation finds the continuation.
          if Task.isCancelled { return .failure(CancellationError()) }
          state.waiters.append((ticket, continuation))
          return nil
        }
        if let result { continuation.resume(with: result) }
      }
    } onCancel: {
      let continuation = self.state.withLock { state in
        state.waiters.firstIndex { $0.ticket == ticket }.map { state.waiters.remove(at: $0).continuation }
      }
      continuation?.resume(throwing: CancellationError())
    }
  }

  /// Gives a permit back: to the task that waits longest, if there is one.
  package func release() {
    let continuation = self.state.withLock { state in
      guard !state.waiters.isEmpty else {
        state.permits += 1
        return CheckedContinuation<Void, any Error>?.none
      }
      return state.waiters.removeFirst().continuation
    }
    continuation?.resume()
  }

  /// Holds a permit while `body` runs.
  ///
  /// - Throws: `CancellationError` if the task is cancelled while it waits, or what `body` throws.
  package func withPermit<R>(_ body: () async throws -> R) async throws -> R {
    try await self.acquire()
    defer { self.release() }
    return try await body()
  }
}
