import AsyncPrimitives
import GRPCCore

/// A stream of answers that any number of tasks may write to: one at a time, in the order they came.
///
/// gRPC's own writer makes no promise about writes at the same time.
final class SerialWriter<Message: Sendable>: Sendable {
  private let writer: RPCWriter<Message>
  private let turn = AsyncSemaphore(permits: 1)

  init(_ writer: RPCWriter<Message>) {
    self.writer = writer
  }

  /// How many tasks wait to write.
  var queueLength: Int { self.turn.waiterCount }

  /// Writes an answer; returns when the transport has room for more.
  ///
  /// - Throws: `CancellationError` if the task is cancelled before its turn; what the transport throws.
  func write(_ message: Message) async throws {
    try await self.turn.withPermit {
      try Task.checkCancellation()
      try await self.writer.write(message)
    }
  }
}
