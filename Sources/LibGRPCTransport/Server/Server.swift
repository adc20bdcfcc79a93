import AsyncPrimitives
import CGRPC
import Glibc
import GRPCCore
import Synchronization

/// A server of libgrpc.
final class Server: Sendable {
  private enum Phase {
    /// The socket takes connections into its backlog.
    case bound
    case serving
    /// New calls are refused; those that run may end.
    case shuttingDown
    /// libgrpc's server is gone.
    case stopped
  }

  private struct State {
    var phase = Phase.bound
    var wasStarted = false
    var calls: [ObjectIdentifier: ServerCall] = [:]
    var callCount: UInt64 = 0
  }

  private struct Handle: @unchecked Sendable {
    // OpaquePointer is not Sendable; a server of libgrpc may be used from any thread.
    let pointer: OpaquePointer
  }

  private let queue: CompletionQueue
  /// Valid until the phase is `stopped`; used with the state locked.
  private let handle: Handle
  private let state = Mutex(State())
  private let stopped = Promise<Void>()
  private let listener: ConnectionListener

  /// The calls to be handled, until the shutdown.
  let newCalls: AsyncStream<ServerCall>
  private let newCallsContinuation: AsyncStream<ServerCall>.Continuation

  /// - Parameter listener: takes the connections.
  init(_ listener: ConnectionListener) {
    self.listener = listener
    self.queue = CompletionQueue()
    let arguments = ChannelArguments([
      (GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, .integer(-1)),
      (GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, .integer(-1)),
    ])
    self.handle = Handle(pointer: arguments.withPointer { grpc_server_create($0, nil) })
    grpc_server_register_completion_queue(self.handle.pointer, self.queue.pointer, nil)
    (self.newCalls, self.newCallsContinuation) = AsyncStream.makeStream(of: ServerCall.self)
  }

  /// Starts to accept calls; does nothing if it was shut down before.
  ///
  /// - Throws: `RPCError`: failed precondition if it has been started before, resource exhausted if the system refuses a
  ///   thread.
  func start() throws {
    try self.state.withLock { state in
      guard !state.wasStarted else {
        throw RPCError(code: .failedPrecondition, message: "The server listens already.")
      }
      state.wasStarted = true
      guard case .bound = state.phase else { return }
      state.phase = .serving
      grpc_server_start(self.handle.pointer)
    }
    self.requestCall()
    let error = self.listener.accept { self.take($0) }
    guard error != 0 else { return }
    throw RPCError(
      code: .resourceExhausted,
      message: "The system refuses a thread for connections: \(String(cString: strerror(error))).")
  }

  /// Takes over a connection.
  private func take(_ connection: Int32) {
    let isTaken = self.state.withLock { state in
      guard case .serving = state.phase else { return false }
      let credentials = grpc_insecure_server_credentials_create()
      defer { grpc_server_credentials_release(credentials) }
      grpc_server_add_channel_from_fd(self.handle.pointer, connection, credentials)
      return true
    }
    if !isTaken { close(connection) }
  }

  /// Refuses new calls, tells the handlers of those that run, and stops when they have ended. Whoever made the
  /// server must call this: libgrpc's server keeps this object alive until it has stopped.
  func shutDown(cancellingCalls: Bool = false) {
    self.listener.end()
    let calls = self.state.withLock { state -> [ServerCall] in
      switch state.phase {
      case .stopped:
        return []
      case .bound, .serving:
        // libgrpc shuts down only what was started.
        if case .bound = state.phase { grpc_server_start(self.handle.pointer) }
        state.phase = .shuttingDown
        let completion = Completion { [self] _ in self.stop() }
        grpc_server_shutdown_and_notify(self.handle.pointer, self.queue.pointer, completion.tag)
      case .shuttingDown:
        break
      }
      if cancellingCalls { grpc_server_cancel_all_calls(self.handle.pointer) }
      return Array(state.calls.values)
    }
    for call in calls { call.notifyOfShutdown() }
    self.newCallsContinuation.finish()
  }

  private func stop() {
    self.state.withLock { state in
      state.phase = .stopped
      grpc_server_destroy(self.handle.pointer)
    }
    self.stopped.fulfil(())
  }

  /// Waits until the server has stopped, in a cancelled task as well.
  func waitForShutdown() async {
    // Unstructured, since its wait is not to be cancelled; it is awaited here.
    _ = try? await Task { try await self.stopped.value }.value
  }

  /// How many calls are under way, and how many there have been.
  var callCounts: (open: Int, all: UInt64) { self.state.withLock { ($0.calls.count, $0.callCount) } }

  /// Forgets a call that has been handled.
  func remove(_ call: ServerCall) {
    self.state.withLock { _ = $0.calls.removeValue(forKey: ObjectIdentifier(call)) }
  }

  /// Asks libgrpc for the next call.
  private func requestCall() {
    let incoming = IncomingCall()
    self.state.withLock { state in
      guard case .serving = state.phase else { return }
      let completion = Completion { [self] success in
        guard success, let call = incoming.makeCall(on: self.queue) else { return }
        self.accept(call)
        self.requestCall()
      }
      let tag = completion.tag
      let result = grpc_server_request_call(
        self.handle.pointer, incoming.call.pointer, incoming.details.pointer, incoming.metadata.array,
        self.queue.pointer, self.queue.pointer, tag)
      if result != GRPC_CALL_OK { _ = Completion.take(tag) }
    }
  }

  private func accept(_ call: ServerCall) {
    let isServing = self.state.withLock { state in
      guard case .serving = state.phase else { return false }
      state.calls[ObjectIdentifier(call)] = call
      state.callCount += 1
      return true
    }
    guard isServing else { return }
    do {
      try call.start()
      if case .enqueued = self.newCallsContinuation.yield(call) { return }
      // A shutdown came in between.
      call.cancel()
    } catch {
      // A call that is dropped is cancelled.
    }
    self.remove(call)
  }
}

/// What libgrpc fills in about a new call.
private final class IncomingCall: @unchecked Sendable {
  let call: Owned<OpaquePointer?>
  let details: Owned<grpc_call_details>
  let metadata = WireMetadata()

  init() {
    self.call = Owned(nil)
    self.details = Owned(grpc_call_details())
    grpc_call_details_init(self.details.pointer)
  }

  deinit { grpc_call_details_destroy(self.details.pointer) }

  func makeCall(on queue: CompletionQueue) -> ServerCall? {
    guard let pointer = self.call.pointer.pointee else { return nil }
    return ServerCall(
      Call(pointer, on: queue), path: String(slice: &self.details.pointer.pointee.method),
      metadata: self.metadata.metadata)
  }
}
