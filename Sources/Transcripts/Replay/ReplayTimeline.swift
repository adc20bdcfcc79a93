import Dispatch
import Synchronization

/// The recorded time that a replay has reached.
///
/// Waiters resume one after the other, in the order of their times, and not while one of them delivers
/// output.
final class ReplayTimeline: Sendable {
  private struct Waiter {
    let time: UInt64
    let isDelivery: Bool
    let continuation: CheckedContinuation<Void, any Error>
  }

  private struct State {
    var position: UInt64
    /// The point in time at which the recorded time was `anchorPosition`; nil before the first use.
    var anchor: ContinuousClock.Instant?
    var anchorPosition: UInt64
    var limit = UInt64.max
    var deliveryCount = 0
    var lastTicket: UInt64 = 0
    var waiters: [UInt64: Waiter] = [:]
    var alarm: ContinuousClock.Instant?
  }

  private let speed: ReplaySpeed
  private let state: Mutex<State>

  /// - Parameter start: where it begins, in microseconds of the recording.
  init(start: UInt64, speed: ReplaySpeed) {
    self.speed = speed
    self.state = Mutex(State(position: start, anchorPosition: start))
  }

  /// The recorded time that has been reached; without waits it is the end.
  var present: UInt64 {
    guard let factor = self.speed.factor else { return .max }
    return self.state.withLock { state in
      guard let anchor = state.anchor else { return state.position }
      let passed = max((ContinuousClock.now - anchor) / .microseconds(1) * factor, 0)
      let present = Double(state.anchorPosition) + passed
      return max(state.position, min(state.limit, present < 1e18 ? UInt64(present) : .max))
    }
  }

  /// Waits until a recorded time is reached.
  ///
  /// - Parameters:
  ///   - isDelivery: whether the caller then delivers output, and calls ``delivered()`` afterwards.
  ///   - endsDelivery: whether the caller has delivered output until now; this does the same as
  ///     ``delivered()``.
  /// - Throws: `CancellationError`.
  func reach(_ time: UInt64, isDelivery: Bool = false, endsDelivery: Bool = false) async throws {
    let ticket = self.state.withLock { state in
      state.lastTicket += 1
      if state.anchor == nil { state.anchor = .now }
      return state.lastTicket
    }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let isCancelled = self.state.withLock { state in
          if endsDelivery { state.deliveryCount -= 1 }
          if Task.isCancelled { return true }
          state.waiters[ticket] = Waiter(time: time, isDelivery: isDelivery, continuation: continuation)
          return false
        }
        if isCancelled { continuation.resume(throwing: CancellationError()) }
        self.resumeWaiters()
      }
    } onCancel: {
      self.state.withLock { $0.waiters.removeValue(forKey: ticket) }?.continuation
        .resume(throwing: CancellationError())
      self.resumeWaiters()
    }
  }

  /// Ends a delivery.
  func delivered() {
    self.state.withLock { $0.deliveryCount -= 1 }
    self.resumeWaiters()
  }

  /// Moves the time forward to `time`, unless it is later already. From there it goes on up to `limit`.
  func advance(to time: UInt64, limit: UInt64) {
    self.state.withLock { state in
      state.position = max(state.position, time)
      state.anchor = .now
      state.anchorPosition = state.position
      state.limit = limit
    }
    self.resumeWaiters()
  }

  private func resumeWaiters() {
    while let waiter = self.state.withLock({ self.next(&$0) }) { waiter.continuation.resume() }
  }

  private func next(_ state: inout State) -> Waiter? {
    guard state.deliveryCount == 0,
      let (ticket, waiter) = state.waiters.min(by: { ($0.value.time, $0.key) < ($1.value.time, $1.key) }),
      waiter.time <= state.limit
    else { return nil }
    if let factor = self.speed.factor, let anchor = state.anchor, waiter.time > state.anchorPosition {
      let due = anchor + .microseconds(1) * (Double(waiter.time - state.anchorPosition) / factor)
      guard due <= .now else {
        self.setAlarm(at: due, &state)
        return nil
      }
    }
    state.waiters[ticket] = nil
    state.position = max(state.position, waiter.time)
    if waiter.isDelivery { state.deliveryCount += 1 }
    return waiter
  }

  private func setAlarm(at due: ContinuousClock.Instant, _ state: inout State) {
    if let alarm = state.alarm, alarm <= due { return }
    state.alarm = due
    let milliseconds = max((due - .now) / .milliseconds(1), 0) + 1
    DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(Int(min(milliseconds, 60_000)))) {
      [weak self] in
      guard let self else { return }
      self.state.withLock { $0.alarm = nil }
      self.resumeWaiters()
    }
  }
}
