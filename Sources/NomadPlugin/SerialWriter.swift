internal import GRPCCore
internal import Synchronization

/// A stream of answers that any number of tasks may write to: one at a time, in the order they came.
///
/// gRPC's own writer makes no promise about writes at the same time.
final class SerialWriter<Message: Sendable>: Sendable {
  private struct State {
    var isBusy = false
    var nextTicket: UInt64 = 0
    var waiting: [(ticket: UInt64, turn: CheckedContinuation<Void, any Error>)] = []
  }

  private let writer: RPCWriter<Message>
  private let state = Mutex(State())

  init(_ writer: RPCWriter<Message>) {
    self.writer = writer
  }

  /// How many tasks wait for their turn.
  var queueLength: Int { state.withLock { $0.waiting.count } }

  /// Writes an answer; returns when the transport has room for more.
  ///
  /// - Throws: `CancellationError` if the task is cancelled before its turn; what the transport throws.
  func write(_ message: Message) async throws {
    try await waitForTurn()
    defer { endTurn() }
    try Task.checkCancellation()
    try await writer.write(message)
  }

  private func waitForTurn() async throws {
    let ticket = state.withLock { state -> UInt64? in
      // A turn that is free is not waited for.
      guard state.isBusy else {
        state.isBusy = true
        return nil
      }
      defer { state.nextTicket += 1 }
      return state.nextTicket
    }
    guard let ticket else { return }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { turn in
        let isFree = state.withLock { state in
          if state.isBusy {
            // A cancellation that came before this looks for the ticket in vain.
            if Task.isCancelled { return Bool?.none }
            state.waiting.append((ticket, turn))
            return false
          }
          state.isBusy = true
          return true
        }
        switch isFree {
        case true?: turn.resume()
        case false?: break
        case nil: turn.resume(throwing: CancellationError())
        }
      }
    } onCancel: {
      let turn = state.withLock { state in
        state.waiting.firstIndex { $0.ticket == ticket }.map { state.waiting.remove(at: $0).turn }
      }
      turn?.resume(throwing: CancellationError())
    }
  }

  private func endTurn() {
    let next = state.withLock { state in
      guard !state.waiting.isEmpty else {
        state.isBusy = false
        return CheckedContinuation<Void, any Error>?.none
      }
      return state.waiting.removeFirst().turn
    }
    next?.resume()
  }
}
