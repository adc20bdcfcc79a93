import Processes
import Synchronization

/// Tells when a unit's main process has ended, for a unit of this host.
final class MainProcessWatcher: Sendable {
  private struct State {
    var processID: Int32?
    var monitor: ProcessExitMonitor?
  }

  /// The numbers of main processes that have ended. Only the last one waits for a reader.
  let ends: AsyncStream<Int32>
  private let end: AsyncStream<Int32>.Continuation
  private let state = Mutex(State())

  init() {
    (self.ends, self.end) = AsyncStream.makeStream(of: Int32.self, bufferingPolicy: .bufferingNewest(1))
  }

  /// Watches this process from now on, in place of the one before; nil for none.
  func watch(_ processID: Int32?) {
    let replaced = self.state.withLock { state -> ProcessExitMonitor? in
      guard processID != state.processID else { return nil }
      let replaced = state.monitor
      state.processID = processID
      state.monitor = processID.flatMap { processID in
        ProcessExitMonitor(of: processID) { [end] in end.yield(processID) }
      }
      // It may have ended already.
      if let processID, state.monitor == nil { self.end.yield(processID) }
      return replaced
    }
    withExtendedLifetime(replaced) {}
  }
}
