import CGRPC
import GRPCCore
import Synchronization

/// Receives the messages of a call, one at a time.
///
/// One message is asked for ahead, so that it is there when it is wanted; the next is asked for when it has
/// been taken. Beyond that, HTTP/2 flow control holds the peer back.
final class MessageReceiver: Sendable {
  private enum Arrival {
    case message([UInt8])
    case end
    case failure
  }

  private struct State {
    var arrival: Arrival?
    var waiter: CheckedContinuation<Arrival, any Error>?
  }

  private let call: Call
  private let state = Mutex(State())

  init(_ call: Call) { self.call = call }

  /// Asks for the first message. Called once.
  func start() { self.receive() }

  /// The next message, or nil after the last one.
  ///
  /// - Throws: `RPCError` (cancelled) if the call failed; `CancellationError` if the task is cancelled; what
  ///   arrives then is kept for the next call of this method.
  func next() async throws -> [UInt8]? {
    let arrival = try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Arrival, any Error>) in
        let result = self.state.withLock { state -> Result<Arrival, any Error>? in
          if let arrival = state.arrival {
            if case .message = arrival { state.arrival = nil }
            return .success(arrival)
          }
          if Task.isCancelled { return .failure(CancellationError()) }
          if state.waiter != nil {
            return .failure(
              RPCError(code: .internalError, message: "Two tasks read the messages of one call at once."))
          }
          state.waiter = continuation
          return nil
        }
        if let result { continuation.resume(with: result) }
      }
    } onCancel: {
      self.takeWaiter()?.resume(throwing: CancellationError())
    }
    switch arrival {
    case .message(let message):
      self.receive()
      return message
    case .end:
      return nil
    case .failure:
      throw RPCError(code: .cancelled, message: "The call ended before all messages were received.")
    }
  }

  private func takeWaiter() -> CheckedContinuation<Arrival, any Error>? {
    self.state.withLock { state in
      defer { state.waiter = nil }
      return state.waiter
    }
  }

  private func receive() {
    let buffer = ByteBuffer()
    do {
      try self.call.start([.receiveMessage(buffer)]) { [self] success in
        if success, let message = buffer.bytes {
          self.deliver(.message(message))
        } else {
          self.deliver(success && !self.call.failedBeforeReceivingMessage ? .end : .failure)
        }
      }
    } catch {
      self.deliver(.failure)
    }
  }

  private func deliver(_ arrival: Arrival) {
    let waiter = self.state.withLock { state in
      defer { state.waiter = nil }
      var isMessage = false
      if case .message = arrival { isMessage = true }
      // The end stays: whoever asks again gets it again.
      if state.waiter == nil || !isMessage { state.arrival = arrival }
      return state.waiter
    }
    waiter?.resume(returning: arrival)
  }
}
