import CGRPC
import GRPCCore
import Synchronization

/// A call on the server: its parts as GRPCCore wants them.
final class ServerCall: Sendable {
  let descriptor: MethodDescriptor
  let metadata: Metadata
  let receiver: MessageReceiver
  private let call: Call
  private let sender: MessageSender

  private struct State {
    var sentInitialMetadata = false
    var sentStatus = false
  }

  private struct Cancellation {
    var isCancelled = false
    var isShuttingDown = false
    var handle: ServerContext.RPCCancellationHandle?
    var handler: Task<Void, Never>?
  }

  private let state = Mutex(State())
  private let cancellation = Mutex(Cancellation())

  init(_ call: Call, path: String, metadata: Metadata) {
    let name = path.drop(while: { $0 == "/" })
    let separator = name.lastIndex(of: "/") ?? name.endIndex
    self.descriptor = MethodDescriptor(
      fullyQualifiedService: String(name[..<separator]), method: String(name[separator...].dropFirst()))
    self.metadata = metadata
    self.call = call
    self.receiver = MessageReceiver(call)
    self.sender = MessageSender(call)
  }

  /// Starts to receive, and to watch for the end of the call.
  ///
  /// - Throws: `RPCError` if libgrpc refuses.
  func start() throws {
    let cancelled = Owned<Int32>(0)
    var operation = grpc_op(GRPC_OP_RECV_CLOSE_ON_SERVER)
    operation.data.recv_close_on_server.cancelled = cancelled.pointer
    try self.call.start([operation]) { [self] _ in
      if cancelled.pointer.pointee != 0 { self.cancelHandler() }
    }
    self.receiver.start()
  }

  /// Runs a handler; its task is cancelled if the client cancels the call, goes away, or the deadline passes.
  func run(
    _ handler:
      @escaping @Sendable (
        _ stream: RPCStream<LibGRPC.ServerTransport.Inbound, LibGRPC.ServerTransport.Outbound>,
        _ context: ServerContext
      ) async -> Void, remotePeer: String, localPeer: String
  ) async {
    await withServerContextRPCCancellationHandle { handle in
      // A task of its own, so that it can be cancelled from the queue's thread; it is awaited here.
      let task = Task {
        await handler(
          RPCStream(
            descriptor: self.descriptor, inbound: RPCAsyncSequence(wrapping: Inbound(call: self)),
            outbound: RPCWriter.Closable(wrapping: Outbound(call: self))),
          ServerContext(
            descriptor: self.descriptor, remotePeer: remotePeer, localPeer: localPeer, cancellation: handle))
      }
      let before = self.cancellation.withLock { state in
        state.handle = handle
        state.handler = task
        return state
      }
      if before.isCancelled || before.isShuttingDown { handle.cancel() }
      if before.isCancelled { task.cancel() }
      await withTaskCancellationHandler {
        await task.value
      } onCancel: {
        task.cancel()
      }
      self.cancellation.withLock { state in
        state.handle = nil
        state.handler = nil
      }
    }
  }

  /// Tells the handler that the server wants to end; the call goes on.
  func notifyOfShutdown() {
    let handle = self.cancellation.withLock { state in
      state.isShuttingDown = true
      return state.handle
    }
    handle?.cancel()
  }

  /// Ends a call that nobody will handle.
  func cancel() { self.call.cancel() }

  private func cancelHandler() {
    // What is called when a handler is cancelled is not ours: no lock is held.
    let state = self.cancellation.withLock { state in
      state.isCancelled = true
      return state
    }
    state.handle?.cancel()
    state.handler?.cancel()
  }

  fileprivate func send(initialMetadata: Metadata) throws {
    // First of all: if it is refused, nothing has been sent yet.
    let wire = try WireMetadata(initialMetadata)
    let isFirst = self.state.withLock { state in
      defer { state.sentInitialMetadata = true }
      return !state.sentInitialMetadata && !state.sentStatus
    }
    guard isFirst else {
      throw RPCError(code: .internalError, message: "Initial metadata may be sent only once, and first.")
    }
    // Not awaited: the messages that follow are.
    try self.call.start([.sendInitialMetadata(wire)]) { _ in withExtendedLifetime(wire) {} }
  }

  fileprivate func send(message: [UInt8]) async throws {
    let state = self.state.withLock { $0 }
    guard !state.sentStatus else {
      throw RPCError(code: .internalError, message: "A message cannot be sent after the status.")
    }
    if !state.sentInitialMetadata { try self.send(initialMetadata: [:]) }
    try await self.sender.send(message)
  }

  fileprivate func send(status: Status, _ trailingMetadata: Metadata) throws {
    let before = self.state.withLock { state in
      defer {
        state.sentStatus = true
        state.sentInitialMetadata = true
      }
      return state
    }
    guard !before.sentStatus else {
      throw RPCError(code: .internalError, message: "The status may be sent only once.")
    }
    var status = status
    let trailing: WireMetadata
    do {
      trailing = try WireMetadata(trailingMetadata)
    } catch {
      // The client waits for a status: it gets the reason why it is not the intended one.
      status = Status(code: .internalError, message: "\(status.message) (\(error))")
      trailing = WireMetadata()
    }
    let initial = WireMetadata()
    var details = grpc_slice_from_copied_buffer(Array(status.message.utf8), status.message.utf8.count)
    defer { grpc_slice_unref(details) }
    try withUnsafeMutablePointer(to: &details) { details in
      var operation = grpc_op(GRPC_OP_SEND_STATUS_FROM_SERVER)
      operation.data.send_status_from_server.status = grpc_status_code(Int32(status.code.rawValue))
      operation.data.send_status_from_server.status_details = details
      operation.data.send_status_from_server.trailing_metadata_count = trailing.array.pointee.count
      operation.data.send_status_from_server.trailing_metadata = trailing.array.pointee.metadata
      let operations = before.sentInitialMetadata ? [operation] : [.sendInitialMetadata(initial), operation]
      do {
        try self.call.start(operations) { _ in withExtendedLifetime((initial, trailing)) {} }
      } catch {
        // Without a status the client would wait for ever.
        self.call.cancel()
        throw error
      }
    }
  }

  fileprivate func finish() {
    // Without a status the client would wait for ever.
    if !self.state.withLock({ $0.sentStatus }) { self.call.cancel() }
  }
}

extension ServerCall {
  struct Inbound: AsyncSequence, Sendable {
    typealias Element = RPCRequestPart<[UInt8]>
    typealias Failure = any Error

    fileprivate let call: ServerCall

    func makeAsyncIterator() -> Iterator { Iterator(call: self.call) }

    struct Iterator: AsyncIteratorProtocol {
      fileprivate let call: ServerCall
      private var gaveMetadata = false

      fileprivate init(call: ServerCall) { self.call = call }

      mutating func next() async throws -> Element? { try await self.next(isolation: nil) }

      mutating func next(isolation actor: isolated (any Actor)?) async throws(any Error) -> Element? {
        guard self.gaveMetadata else {
          self.gaveMetadata = true
          return .metadata(self.call.metadata)
        }
        return try await self.call.receiver.next().map { .message($0) }
      }
    }
  }

  struct Outbound: ClosableRPCWriterProtocol {
    typealias Element = RPCResponsePart<[UInt8]>

    fileprivate let call: ServerCall

    func write(_ element: Element) async throws {
      switch element {
      case .metadata(let metadata): try self.call.send(initialMetadata: metadata)
      case .message(let message): try await self.call.send(message: message)
      case .status(let status, let metadata): try self.call.send(status: status, metadata)
      }
    }

    func write(contentsOf elements: some Sequence<Element>) async throws {
      for element in elements { try await self.write(element) }
    }

    func finish() async { self.call.finish() }

    func finish(throwing error: any Error) async { self.call.finish() }
  }
}
