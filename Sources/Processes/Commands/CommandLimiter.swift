import AsyncPrimitives
import Synchronization

/// Limits how many commands run at once; others wait for a permit.
///
/// systemd sends every change of every unit to each `systemctl` that waits for a job: two hundred of them at
/// once, each for its own unit, cause forty thousand times the messages of one. A command that runs for long
/// gives its permit back while it goes on, so that one that takes hours, or hangs, does not hold up the
/// others.
package final class CommandLimiter: Sendable {
  private let semaphore: AsyncSemaphore
  private let permitDuration: Duration

  /// - Parameters:
  ///   - width: how many commands may run at once.
  ///   - permitDuration: how long a command keeps its permit, at most.
  package init(width: Int, permitDuration: Duration = .seconds(1)) {
    self.semaphore = AsyncSemaphore(permits: width)
    self.permitDuration = permitDuration
  }

  /// Whether another command would have to wait.
  package var isFull: Bool { self.semaphore.freePermits == 0 }

  /// Runs a command as soon as there is a permit for it.
  ///
  /// - Throws: what `command` throws, or `CancellationError` if the task is cancelled while it waits.
  package func run<R: Sendable>(_ command: @Sendable () async throws -> R) async throws -> R {
    try await self.semaphore.acquire()
    let permit = Permit(self.semaphore)
    defer { permit.release() }
    async let _ = permit.release(after: self.permitDuration)
    return try await command()
  }

  /// A permit, given back once.
  private final class Permit: Sendable {
    private let semaphore: AsyncSemaphore
    private let isReleased = Mutex(false)

    init(_ semaphore: AsyncSemaphore) { self.semaphore = semaphore }

    func release() {
      let isFirst = self.isReleased.withLock { isReleased in
        defer { isReleased = true }
        return !isReleased
      }
      if isFirst { self.semaphore.release() }
    }

    func release(after delay: Duration) async {
      if (try? await Task.sleep(for: delay)) != nil { self.release() }
    }
  }
}
