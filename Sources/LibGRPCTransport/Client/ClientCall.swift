import AsyncPrimitives
import CGRPC
import GRPCCore
import Synchronization

/// A call on the client: its parts as GRPCCore wants them.
final class ClientCall: Sendable {
  private let call: Call
  private let receiver: MessageReceiver
  private let sender: MessageSender
  private let waitForReady: Bool
  /// Nil if the call ended without any.
  private let initialMetadata = Promise<Metadata?>()
  private let status = Promise<FinalStatus>()

  private struct FinalStatus {
    let status: Status
    let metadata: Metadata
  }

  private enum Phase {
    case created
    case open
    /// Nothing more is sent.
    case halfClosed
  }

  private let phase = Mutex(Phase.created)

  init(_ call: Call, waitForReady: Bool) {
    self.call = call
    self.receiver = MessageReceiver(call)
    self.sender = MessageSender(call)
    self.waitForReady = waitForReady
  }

  /// Cancels the call unless it has ended.
  func cancel() { if self.status.current == nil { self.call.cancel() } }

  private func start(_ metadata: Metadata) throws {
    let wire = try WireMetadata(metadata)
    let isFirst = self.phase.withLock { phase in
      guard case .created = phase else { return false }
      phase = .open
      return true
    }
    guard isFirst else {
      throw RPCError(code: .internalError, message: "Initial metadata may be sent only once, and first.")
    }
    let ending = ReceivedStatus()
    try self.call.start([ending.operation]) { [self] _ in
      self.status.fulfil(FinalStatus(status: ending.status, metadata: ending.metadata.metadata))
    }
    let received = WireMetadata()
    try self.call.start([.receiveInitialMetadata(received)]) { [self] success in
      self.initialMetadata.fulfil(success ? received.metadata : nil)
    }
    let flags = self.waitForReady ? UInt32(GRPC_INITIAL_METADATA_WAIT_FOR_READY) : 0
    try self.call.start([.sendInitialMetadata(wire, flags: flags)]) { _ in withExtendedLifetime(wire) {} }
    self.receiver.start()
  }

  private func send(_ message: [UInt8]) async throws {
    do {
      try await self.sender.send(message)
    } catch let error as RPCError {
      // The server has ended the call; cancelling it now would replace the server's status.
      self.phase.withLock { $0 = .halfClosed }
      throw error
    }
  }

  private func halfClose() {
    let wasOpen = self.phase.withLock { phase in
      guard case .open = phase else { return false }
      phase = .halfClosed
      return true
    }
    if wasOpen { try? self.call.start([grpc_op(GRPC_OP_SEND_CLOSE_FROM_CLIENT)]) { _ in } }
  }

  private func fail(_ error: any Error) {
    let before = self.phase.withLock { phase in
      defer { phase = .halfClosed }
      return phase
    }
    switch before {
    case .created:
      let error = error as? RPCError ?? RPCError(code: .cancelled, message: "The call was not made: \(error)")
      self.status.fulfil(
        FinalStatus(status: Status(code: .init(error.code), message: error.message), metadata: [:]))
      self.initialMetadata.fulfil(nil)
    case .open:
      self.cancel()
    case .halfClosed:
      // The status is still to come.
      break
    }
  }
}

/// The end of a call as libgrpc fills it in.
private final class ReceivedStatus: @unchecked Sendable {
  let metadata = WireMetadata()
  private let code: Owned<grpc_status_code>
  private let details: Owned<grpc_slice>

  init() {
    self.code = Owned(GRPC_STATUS_UNKNOWN)
    self.details = Owned(grpc_empty_slice())
  }

  deinit { grpc_slice_unref(self.details.pointer.pointee) }

  var operation: grpc_op {
    var operation = grpc_op(GRPC_OP_RECV_STATUS_ON_CLIENT)
    operation.data.recv_status_on_client.trailing_metadata = self.metadata.array
    operation.data.recv_status_on_client.status = self.code.pointer
    operation.data.recv_status_on_client.status_details = self.details.pointer
    return operation
  }

  var status: Status {
    Status(
      code: Status.Code(rawValue: Int(self.code.pointer.pointee.rawValue)) ?? .unknown,
      message: String(slice: &self.details.pointer.pointee))
  }
}

extension ClientCall {
  struct Inbound: AsyncSequence, Sendable {
    typealias Element = RPCResponsePart<[UInt8]>
    typealias Failure = any Error

    let call: ClientCall

    func makeAsyncIterator() -> Iterator { Iterator(call: self.call) }

    struct Iterator: AsyncIteratorProtocol {
      private enum Expected { case metadata, message, nothing }

      private let call: ClientCall
      private var expected = Expected.metadata

      fileprivate init(call: ClientCall) { self.call = call }

      mutating func next() async throws -> Element? { try await self.next(isolation: nil) }

      mutating func next(isolation actor: isolated (any Actor)?) async throws(any Error) -> Element? {
        switch self.expected {
        case .metadata:
          if let metadata = try await self.call.initialMetadata.value {
            self.expected = .message
            return .metadata(metadata)
          }
        case .message:
          do {
            if let message = try await self.call.receiver.next() { return .message(message) }
          } catch let error as CancellationError {
            throw error
          } catch {
            // The status says why.
          }
        case .nothing:
          return nil
        }
        let end = try await self.call.status.value
        self.expected = .nothing
        return .status(end.status, end.metadata)
      }
    }
  }

  struct Outbound: ClosableRPCWriterProtocol {
    typealias Element = RPCRequestPart<[UInt8]>

    let call: ClientCall

    func write(_ element: Element) async throws {
      switch element {
      case .metadata(let metadata): try self.call.start(metadata)
      case .message(let message): try await self.call.send(message)
      }
    }

    func write(contentsOf elements: some Sequence<Element>) async throws {
      for element in elements { try await self.write(element) }
    }

    func finish() async { self.call.halfClose() }

    func finish(throwing error: any Error) async { self.call.fail(error) }
  }
}
