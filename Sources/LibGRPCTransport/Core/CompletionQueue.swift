import CGRPC
import Glibc

/// A completion queue of libgrpc and the thread that takes its events.
///
/// Whoever starts operations on the queue (a call, a server) keeps a reference to it. With the last one the
/// queue is shut down, and the thread ends once it has taken the events that were still under way: so no
/// operation can be started on a queue that is shut down, which libgrpc forbids.
final class CompletionQueue: @unchecked Sendable {
  // OpaquePointer is not Sendable; libgrpc's queues may be used from any thread.
  let pointer: OpaquePointer

  init() {
    LibGRPC.initialise
    self.pointer = grpc_completion_queue_create_for_next(nil)
    // The thread must not keep this object alive: its end is the queue's.
    nonisolated(unsafe) let queue = self.pointer
    let created = DetachedThread.start { CompletionQueue.takeEvents(queue) }
    precondition(created == 0, "The system refuses a thread for gRPC: \(String(cString: strerror(created)))")
  }

  deinit { grpc_completion_queue_shutdown(self.pointer) }

  private static func takeEvents(_ queue: OpaquePointer) {
    let forever = gpr_inf_future(GPR_CLOCK_REALTIME)
    while true {
      let event = grpc_completion_queue_next(queue, forever, nil)
      switch event.type {
      case GRPC_OP_COMPLETE:
        Completion.take(event.tag)?.run(event.success != 0)
      case GRPC_QUEUE_SHUTDOWN:
        grpc_completion_queue_destroy(queue)
        return
      default:
        continue
      }
    }
  }
}

/// What is done when an operation of libgrpc is complete. As the operation's tag it also keeps alive
/// whatever its closure refers to.
final class Completion: Sendable {
  private let body: @Sendable (_ success: Bool) -> Void

  init(_ body: @escaping @Sendable (_ success: Bool) -> Void) { self.body = body }

  func run(_ success: Bool) { self.body(success) }

  /// A reference for libgrpc to give back with the event.
  var tag: UnsafeMutableRawPointer { Unmanaged.passRetained(self).toOpaque() }

  /// Takes the reference back.
  static func take(_ tag: UnsafeMutableRawPointer?) -> Completion? {
    tag.map { Unmanaged<Completion>.fromOpaque($0).takeRetainedValue() }
  }
}
