import Synchronization

/// Tells any number of tasks, again and again, that something has changed.
///
/// To miss nothing, read ``count`` first, then look at what may have changed, then wait for the next signal after that
/// count.
package final class AsyncSignal: Sendable {
  private struct State {
    var count: UInt64 = 0
    var next = Promise<Void>()
  }

  private let state = Mutex(State())

  /// Makes a signal that has not been sent yet.
  package init() {}

  /// How often the signal was sent.
  package var count: UInt64 { self.state.withLock { $0.count } }

  /// Wakes all who wait.
  package func send() {
    let sent = self.state.withLock { state in
      state.count += 1
      defer { state.next = Promise() }
      return state.next
    }
    sent.fulfil(())
  }

  /// Waits until the signal has been sent more often than `count`.
  ///
  /// - Throws: `CancellationError` if the task is cancelled first.
  package func wait(after count: UInt64) async throws {
    let next = self.state.withLock { $0.count > count ? nil : $0.next }
    try await next?.value
  }
}
