import AsyncPrimitives
import Synchronization

/// The time that one process of the plugin has, until it is killed or all tasks are to end.
final class SoakSession: Sendable {
  /// Fulfilled when nothing more is to be begun: the plugin was killed, or there is to be rest.
  let end = Promise<Void>()
  private let isKilledState = Mutex(false)

  /// Whether calls may fail since the plugin was killed.
  var isKilled: Bool { self.isKilledState.withLock { $0 } }

  func kill() {
    self.isKilledState.withLock { $0 = true }
    self.end.fulfil(())
  }

  func rest() { self.end.fulfil(()) }

  var hasEnded: Bool { self.end.current != nil }

  /// Waits, but not beyond the end.
  func pause(_ milliseconds: ClosedRange<Int>) async {
    _ = try? await self.end.value(within: .milliseconds(Int.random(in: milliseconds)))
  }
}
