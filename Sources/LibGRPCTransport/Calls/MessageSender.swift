import CGRPC
import GRPCCore
import Synchronization

/// Sends the messages of a call, one at a time and in order; whoever sends waits until HTTP/2 flow control
/// has taken the message, so that a peer that does not read holds the writer back.
final class MessageSender: Sendable {
  private struct Message {
    let id: UInt64
    let bytes: [UInt8]
    /// Nil once its sender was cancelled.
    var sender: CheckedContinuation<Void, any Error>?
  }

  private struct State {
    /// The first one is under way.
    var messages: [Message] = []
    var nextID: UInt64 = 0
  }

  private let call: Call
  private let state = Mutex(State())

  init(_ call: Call) { self.call = call }

  /// Sends a message.
  ///
  /// - Throws: `RPCError` (cancelled) if the call has ended; `CancellationError` if the task is cancelled:
  ///   the message may then have been sent or not.
  func send(_ bytes: [UInt8]) async throws {
    let id = self.state.withLock { state in
      state.nextID += 1
      return state.nextID
    }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        let isFirst = self.state.withLock { state -> Bool? in
          if Task.isCancelled { return nil }
          state.messages.append(Message(id: id, bytes: bytes, sender: continuation))
          return state.messages.count == 1
        }
        switch isFirst {
        case nil: continuation.resume(throwing: CancellationError())
        case true?: self.startSending(bytes)
        case false?: break
        }
      }
    } onCancel: {
      let sender = self.state.withLock { state -> CheckedContinuation<Void, any Error>? in
        guard let index = state.messages.firstIndex(where: { $0.id == id }) else { return nil }
        let sender = state.messages[index].sender
        if index == 0 {
          state.messages[0].sender = nil
        } else {
          state.messages.remove(at: index)
        }
        return sender
      }
      sender?.resume(throwing: CancellationError())
    }
  }

  private func startSending(_ bytes: [UInt8]) {
    let buffer = ByteBuffer(bytes)
    do {
      try self.call.start([.sendMessage(buffer)]) { [self] success in
        // The buffer is libgrpc's until now.
        withExtendedLifetime(buffer) {}
        self.sent(
          success ? nil : RPCError(code: .cancelled, message: "The call ended before all messages were sent.")
        )
      }
    } catch {
      self.sent(error)
    }
  }

  private func sent(_ error: (any Error)?) {
    let (sender, next) = self.state.withLock { state in
      let sender = state.messages.removeFirst().sender
      return (sender, state.messages.first?.bytes)
    }
    if let error {
      sender?.resume(throwing: error)
    } else {
      sender?.resume()
    }
    if let next { self.startSending(next) }
  }
}
