private import Synchronization

/// A value that is there once, and any number of tasks that wait for it.
final class Promise<Value: Sendable>: Sendable {
  private struct State {
    var value: Value?
    var waiters: [UInt64: CheckedContinuation<Value, any Error>] = [:]
    var nextID: UInt64 = 0
  }

  private let state = Mutex(State())

  /// Sets the value. All but the first call are without effect.
  func fulfil(_ value: Value) {
    let waiters = self.state.withLock { state -> [CheckedContinuation<Value, any Error>] in
      guard state.value == nil else { return [] }
      state.value = value
      defer { state.waiters = [:] }
      return Array(state.waiters.values)
    }
    for waiter in waiters { waiter.resume(returning: value) }
  }

  /// The value, if it is there.
  var current: Value? { self.state.withLock { $0.value } }

  /// Waits for the value.
  ///
  /// - Throws: `CancellationError` if the task is cancelled before the value is there.
  var value: Value {
    get async throws {
      let id = self.state.withLock { state in
        state.nextID += 1
        return state.nextID
      }
      return try await withTaskCancellationHandler {
        try await withCheckedThrowingContinuation { continuation in
          let result = self.state.withLock { state -> Result<Value, any Error>? in
            if let value = state.value { return .success(value) }
            if Task.isCancelled { return .failure(CancellationError()) }
            state.waiters[id] = continuation
            return nil
          }
          if let result { continuation.resume(with: result) }
        }
      } onCancel: {
        self.state.withLock { $0.waiters.removeValue(forKey: id) }?.resume(throwing: CancellationError())
      }
    }
  }
}
