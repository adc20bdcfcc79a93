import CGRPC
import GRPCCore
import Synchronization

/// A call of libgrpc. It lives until the last of its operations is complete.
final class Call: @unchecked Sendable {
  // OpaquePointer is not Sendable; a call of libgrpc may be used from any thread.
  private let pointer: OpaquePointer
  private let queue: CompletionQueue
  private let starting = Mutex(())

  /// Takes over the caller's reference to the call.
  init(_ pointer: OpaquePointer, on queue: CompletionQueue) {
    self.pointer = pointer
    self.queue = queue
  }

  // For a call that has not ended this cancels it.
  deinit { grpc_call_unref(self.pointer) }

  /// Starts operations that complete together.
  ///
  /// - Parameter body: runs on the queue's thread when they are complete. It must keep alive what the
  ///   operations point to.
  /// - Throws: `RPCError` (internal) if libgrpc refuses them; `body` then never runs.
  func start(_ operations: [grpc_op], _ body: @escaping @Sendable (_ success: Bool) -> Void) throws {
    // The contract of grpc_call_start_batch (grpc.h): not by two threads at once.
    let tag = Completion { [self] success in withExtendedLifetime(self) { body(success) } }.tag
    let result = self.starting.withLock { _ in
      grpc_call_start_batch(self.pointer, operations, operations.count, tag, nil)
    }
    guard result == GRPC_CALL_OK else {
      _ = Completion.take(tag)
      throw RPCError(
        code: .internalError,
        message:
          "libgrpc refuses the operations \(operations.map(\.op.rawValue)) with error \(result.rawValue).")
    }
  }

  /// Cancels the call; without effect on one that has ended.
  func cancel() { grpc_call_cancel(self.pointer, nil) }

  /// Whether the last message could not be received because the call failed, rather than because the peer
  /// had sent all.
  var failedBeforeReceivingMessage: Bool { grpc_call_failed_before_recv_message(self.pointer) != 0 }
}

extension grpc_op {
  init(_ type: grpc_op_type) {
    self.init()
    self.op = type
  }

  static func sendInitialMetadata(_ metadata: WireMetadata, flags: UInt32 = 0) -> grpc_op {
    var operation = grpc_op(GRPC_OP_SEND_INITIAL_METADATA)
    operation.flags = flags
    operation.data.send_initial_metadata.count = metadata.array.pointee.count
    operation.data.send_initial_metadata.metadata = metadata.array.pointee.metadata
    return operation
  }

  static func receiveInitialMetadata(_ metadata: WireMetadata) -> grpc_op {
    var operation = grpc_op(GRPC_OP_RECV_INITIAL_METADATA)
    operation.data.recv_initial_metadata.recv_initial_metadata = metadata.array
    return operation
  }

  static func sendMessage(_ message: ByteBuffer) -> grpc_op {
    var operation = grpc_op(GRPC_OP_SEND_MESSAGE)
    operation.data.send_message.send_message = message.slot.pointee
    return operation
  }

  static func receiveMessage(_ message: ByteBuffer) -> grpc_op {
    var operation = grpc_op(GRPC_OP_RECV_MESSAGE)
    operation.data.recv_message.recv_message = message.slot
    return operation
  }
}
