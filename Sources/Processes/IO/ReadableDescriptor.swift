import Glibc
import Synchronization

/// A descriptor that can be waited for and read without blocking a thread.
///
/// It owns the descriptor: call ``close()`` exactly once, when nothing waits or reads any more. Only one task
/// may wait or read at a time. Waiting is not ended by cancellation but by ``finish()``.
package final class ReadableDescriptor: Sendable {
  private struct State {
    var isFinishing = false
    var waiter: CheckedContinuation<Void, Never>?
    /// How many bytes are still read after ``finish()``; what is written later is not read.
    var remaining: Int?
    /// How many times in a row the descriptor was readable again at once.
    var shortWaitCount = 0
  }

  private final class SharedState: Sendable {
    let mutex = Mutex(State())

    func takeWaiter() -> CheckedContinuation<Void, Never>? {
      self.mutex.withLock { state in
        defer { state.waiter = nil }
        return state.waiter
      }
    }
  }

  /// The most that is read at once, and the size asked of the kernel for a pipe.
  static let chunkSize = 256 << 10

  /// More than the kernel buffers of a terminal's output. It does not tell how much there is.
  private static let terminalBufferSize = 64 << 10

  /// How long a busy descriptor is left alone, so that more can be read at once.
  private static let pause = Duration.milliseconds(2)

  private let descriptor: Int32
  private let monitor: ReadinessMonitor
  private let id: UInt64
  private let state: SharedState
  private let isTerminal: Bool

  /// Takes over a descriptor. One that is read must be in non-blocking mode.
  ///
  /// - Parameter isTerminal: whether it is the other end of a terminal rather than a pipe.
  /// - Returns: nil, with `errno` set, if it cannot be waited for; then it is closed.
  package init?(_ descriptor: Int32, isTerminal: Bool = false) {
    let state = SharedState()
    guard let monitor = ReadinessMonitor.shared,
      let id = monitor.add(descriptor, onReady: { state.takeWaiter()?.resume() })
    else {
      let error = errno
      Glibc.close(descriptor)
      errno = error
      return nil
    }
    self.descriptor = descriptor
    self.monitor = monitor
    self.id = id
    self.state = state
    self.isTerminal = isTerminal
  }

  /// Waits until the descriptor is readable or at its end, or ``finish()`` was called.
  package func wait() async {
    await withCheckedContinuation { continuation in
      let isFinishing = self.state.mutex.withLock { state in
        if !state.isFinishing { state.waiter = continuation }
        return state.isFinishing
      }
      if isFinishing {
        continuation.resume()
      } else {
        self.monitor.arm(self.descriptor, id: self.id)
      }
    }
  }

  /// The next bytes, at most ``chunkSize``; nil at the end or when finished.
  package func next() async -> [UInt8]? {
    var hasWaited = false
    while true {
      var available: Int32 = 0
      let isFinishing = self.state.mutex.withLock { $0.isFinishing }
      guard ioctl(self.descriptor, UInt(FIONREAD), &available) == 0 else { return nil }
      var limit = Self.chunkSize
      if isFinishing {
        limit = self.state.mutex.withLock { state in
          let remaining = state.remaining ?? (self.isTerminal ? Self.terminalBufferSize : Int(available))
          state.remaining = remaining
          return min(remaining, limit)
        }
        if limit == 0 { return nil }
      }
      var count = 0
      var error: Int32 = 0
      let chunk = [UInt8](unsafeUninitializedCapacity: min(max(Int(available), 4096), limit)) {
        buffer, filled in
        repeat {
          count = read(self.descriptor, buffer.baseAddress, buffer.count)
        } while count < 0 && errno == EINTR
        error = errno
        filled = max(count, 0)
      }
      if count > 0 {
        if isFinishing { self.state.mutex.withLock { $0.remaining = ($0.remaining ?? 0) - count } }
        // A program that always has more output must not keep other tasks from running.
        if !hasWaited { await Task.yield() }
        return chunk
      }
      if count == 0 || error != EAGAIN || isFinishing { return nil }
      if self.isBusy, !hasWaited {
        hasWaited = true
        try? await Task.sleep(for: Self.pause)
      } else {
        hasWaited = true
        await self.measuredWait()
      }
    }
  }

  /// Whether there is so much output, in small chunks, that waiting for each costs more than reading it.
  ///
  /// journalctl writes 4 KiB at a time, up to 6,000 times a second.
  private var isBusy: Bool { self.state.mutex.withLock { $0.shortWaitCount >= 16 } }

  private func measuredWait() async {
    let start = ContinuousClock.now
    await self.wait()
    let isShort = ContinuousClock.now - start < Self.pause
    self.state.mutex.withLock { $0.shortWaitCount = isShort ? $0.shortWaitCount + 1 : 0 }
  }

  /// Ends the reading after what can be read now, even if others keep the other end of a pipe open.
  package func finish() {
    self.state.mutex.withLock { $0.isFinishing = true }
    self.state.takeWaiter()?.resume()
  }

  /// Closes the descriptor.
  package func close() {
    self.monitor.remove(self.descriptor, id: self.id)
    Glibc.close(self.descriptor)
  }
}
