import Synchronization

/// A value that is there once somebody has given it; any number of tasks can wait for it.
package final class Promise<Value: Sendable>: Sendable {
  private struct State {
    var value: Value?
    var nextWaiter = 0
    var waiters: [Int: CheckedContinuation<Value, any Error>] = [:]
  }

  private let state = Mutex(State())

  /// Makes a promise that is not yet kept.
  package init() {}

  /// The value, if it is there.
  package var current: Value? { self.state.withLock { $0.value } }

  /// Gives the value; only the first one counts.
  package func fulfil(_ value: Value) {
    let waiters = self.state.withLock { state -> [Int: CheckedContinuation<Value, any Error>] in
      guard state.value == nil else { return [:] }
      state.value = value
      defer { state.waiters = [:] }
      return state.waiters
    }
    for waiter in waiters.values { waiter.resume(returning: value) }
  }

  /// Waits for the value.
  ///
  /// - Throws: `CancellationError` if the task is cancelled first.
  package var value: Value {
    get async throws {
      let identifier = self.state.withLock { state in
        state.nextWaiter += 1
        return state.nextWaiter
      }
      return try await withTaskCancellationHandler {
        try await withCheckedThrowingContinuation { continuation in
          let value = self.state.withLock { state -> Result<Value, any Error>? in
            if let value = state.value { return .success(value) }
            // Checked with the lock held: a later cancellation finds the continuation.
            if Task.isCancelled { return .failure(CancellationError()) }
            state.waiters[identifier] = continuation
            return nil
          }
          if let value { continuation.resume(with: value) }
        }
      } onCancel: {
        let waiter = self.state.withLock { $0.waiters.removeValue(forKey: identifier) }
        waiter?.resume(throwing: CancellationError())
      }
    }
  }

  /// Waits for the value, but not longer than `limit`; nil if it is not there by then.
  ///
  /// - Throws: `CancellationError` if the task is cancelled first.
  package func value(within limit: Duration) async throws -> Value? {
    if let current = self.current { return current }
    return try await withDeadline(after: limit) { try await self.value }
  }
}
