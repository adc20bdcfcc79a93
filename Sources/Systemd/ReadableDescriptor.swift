import Foundation
import Glibc
import Synchronization

/// A descriptor that can be waited for and read without blocking a thread.
///
/// It owns the descriptor: call ``close()`` exactly once, when nobody waits or reads any more. Only one task may
/// wait or read at a time. Waiting is not ended by cancellation but by ``finish()``.
final class ReadableDescriptor: Sendable {
  private struct State {
    var isFinishing = false
    var waiter: CheckedContinuation<Void, Never>?
    var isArmed = false
    /// How much is left to read once finishing; what is written later is not read.
    var remaining: Int?
  }

  /// The most that is read at once, and the size asked of the kernel for a pipe.
  static let chunkSize = 256 << 10

  private static let queue = DispatchQueue(label: "systemd.readable-descriptors")

  private let descriptor: Int32
  // Dispatch sources may be used from any thread; the protocol just doesn't say so.
  private nonisolated(unsafe) let source: any DispatchSourceRead
  private let state = Mutex(State())

  /// Takes over a descriptor. One that is read must be in non-blocking mode.
  init(_ descriptor: Int32) {
    self.descriptor = descriptor
    source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: Self.queue)
    source.setEventHandler { [unowned self] in disarm() }
  }

  /// Waits until the descriptor is readable or at its end, or ``finish()`` was called.
  func wait() async {
    await withCheckedContinuation { continuation in
      let isFinishing = state.withLock { state in
        if state.isFinishing { return true }
        state.waiter = continuation
        if !state.isArmed {
          state.isArmed = true
          source.resume()
        }
        return false
      }
      if isFinishing { continuation.resume() }
    }
  }

  /// The next bytes, at most ``chunkSize``; `nil` at the end or when finished.
  func next() async -> [UInt8]? {
    var hasWaited = false
    while true {
      var available: Int32 = 0
      let isFinishing = state.withLock { $0.isFinishing }
      guard ioctl(descriptor, UInt(FIONREAD), &available) == 0 else { return nil }
      var limit = Self.chunkSize
      if isFinishing {
        limit = state.withLock { state in
          let remaining = state.remaining ?? Int(available)
          state.remaining = remaining
          return min(remaining, limit)
        }
        if limit == 0 { return nil }
      }
      var count = 0
      let chunk = [UInt8](unsafeUninitializedCapacity: min(max(Int(available), 4096), limit)) {
        buffer, filled in
        repeat {
          count = read(descriptor, buffer.baseAddress, buffer.count)
        } while count < 0 && errno == EINTR
        filled = max(count, 0)
      }
      if count > 0 {
        if isFinishing { state.withLock { $0.remaining = ($0.remaining ?? 0) - count } }
        // A program that always has more to say must not keep other tasks from running.
        if !hasWaited { await Task.yield() }
        return chunk
      }
      if count == 0 || errno != EAGAIN { return nil }
      hasWaited = true
      await wait()
    }
  }

  /// Ends reading after what can be read now, though others may hold the other end of a pipe open.
  func finish() {
    let waiter = state.withLock { state in
      state.isFinishing = true
      defer { state.waiter = nil }
      return state.waiter
    }
    waiter?.resume()
  }

  /// Closes the descriptor; returns when it is closed.
  func close() async {
    await withCheckedContinuation { continuation in
      source.setCancelHandler { [descriptor] in
        _ = Glibc.close(descriptor)
        continuation.resume()
      }
      source.cancel()
      // A suspended source never gets to its cancel handler.
      state.withLock { state in
        if !state.isArmed { source.resume() }
        state.isArmed = true
      }
    }
  }

  private func disarm() {
    let waiter: CheckedContinuation<Void, Never>? = state.withLock { state in
      guard state.isArmed, !source.isCancelled else { return nil }
      source.suspend()
      state.isArmed = false
      defer { state.waiter = nil }
      return state.waiter
    }
    waiter?.resume()
  }
}
