import AsyncPrimitives
import CGRPC
public import GRPCCore
import Synchronization

extension LibGRPC {
  /// A client transport to a unix socket. libgrpc connects when the first call is made, and again when the
  /// connection was lost.
  public final class ClientTransport: GRPCCore.ClientTransport {
    /// The bytes of a message.
    public typealias Bytes = [UInt8]

    /// Always nil: calls are not retried.
    public var retryThrottle: RetryThrottle? { nil }

    private struct State {
      var isShuttingDown = false
      var calls: [ObjectIdentifier: ClientCall] = [:]
    }

    private let channel: Channel
    private let peer: String
    private let state = Mutex(State())
    /// Fulfilled once the transport is shutting down and no call is left.
    private let isDone = Promise<Void>()

    /// - Throws: `RPCError` (invalid argument) if the path is not usable.
    public init(unixSocketPath path: String) throws {
      self.channel = try Channel(try UnixSocketAddress(path: path))
      self.peer = "unix:\(path)"
    }

    /// Returns when ``beginGracefulShutdown()`` was called and all calls have ended. If its task is cancelled,
    /// all calls are cancelled. Calls can be made as soon as the transport exists.
    public func connect() async throws {
      do {
        try await self.isDone.value
      } catch {
        let calls = self.state.withLock { state in
          state.isShuttingDown = true
          return Array(state.calls.values)
        }
        for call in calls { call.cancel() }
      }
    }

    /// Refuses new calls; those that run may end.
    public func beginGracefulShutdown() {
      let isDone = self.state.withLock { state in
        state.isShuttingDown = true
        return state.calls.isEmpty
      }
      if isDone { self.isDone.fulfil(()) }
    }

    /// Makes a call and ends it with the closure.
    ///
    /// - Throws: `RPCError` (failed precondition) if the transport is shutting down; what the closure throws.
    public func withStream<T: Sendable>(
      descriptor: MethodDescriptor, options: CallOptions,
      _ closure: (_ stream: RPCStream<Inbound, Outbound>, _ context: ClientContext) async throws -> T
    ) async throws -> T {
      let call = ClientCall(
        try self.channel.makeCall(descriptor, timeout: options.timeout),
        waitForReady: options.waitForReady ?? false)
      let isAccepted = self.state.withLock { state in
        guard !state.isShuttingDown else { return false }
        state.calls[ObjectIdentifier(call)] = call
        return true
      }
      guard isAccepted else {
        throw RPCError(code: .failedPrecondition, message: "The client of '\(self.peer)' is shutting down.")
      }
      defer {
        call.cancel()
        let isDone = self.state.withLock { state in
          state.calls.removeValue(forKey: ObjectIdentifier(call))
          return state.isShuttingDown && state.calls.isEmpty
        }
        if isDone { self.isDone.fulfil(()) }
      }
      return try await closure(
        RPCStream(
          descriptor: descriptor, inbound: RPCAsyncSequence(wrapping: ClientCall.Inbound(call: call)),
          outbound: RPCWriter.Closable(wrapping: ClientCall.Outbound(call: call))),
        ClientContext(descriptor: descriptor, remotePeer: self.peer, localPeer: self.peer))
    }

    /// Always nil: there is no configuration by method.
    public func config(forMethod descriptor: MethodDescriptor) -> MethodConfig? { nil }
  }
}

/// A channel of libgrpc, owned.
private final class Channel: @unchecked Sendable {
  private let pointer: OpaquePointer
  private let queue = CompletionQueue()

  init(_ address: UnixSocketAddress) throws {
    let arguments = ChannelArguments([
      (GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, .integer(-1)),
      (GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, .integer(-1)),
      // Error texts with what a command printed travel as metadata.
      (GRPC_ARG_MAX_METADATA_SIZE, .integer(1 << 20)),
      (GRPC_ARG_ENABLE_RETRIES, .integer(0)),
      (GRPC_ARG_ENABLE_HTTP_PROXY, .integer(0)),
      (GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, .integer(1)),
      // A connection belongs to one transport and ends with it.
      (GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, .integer(1)),
      (GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, .integer(100)),
      (GRPC_ARG_DEFAULT_AUTHORITY, .string("localhost")),
    ])
    let credentials = grpc_insecure_credentials_create()
    defer { grpc_channel_credentials_release(credentials) }
    guard let channel = arguments.withPointer({ grpc_channel_create(address.uri, credentials, $0) }) else {
      throw RPCError(code: .invalidArgument, message: "libgrpc makes no channel to '\(address.uri)'.")
    }
    self.pointer = channel
  }

  deinit { grpc_channel_destroy(self.pointer) }

  func makeCall(_ descriptor: MethodDescriptor, timeout: Duration?) throws -> Call {
    let path = Array("/\(descriptor.fullyQualifiedMethod)".utf8)
    let method = grpc_slice_from_copied_buffer(path, path.count)
    defer { grpc_slice_unref(method) }
    let call = grpc_channel_create_call(
      self.pointer, nil, 0, self.queue.pointer, method, nil,
      timeout.map(deadline(after:)) ?? gpr_inf_future(GPR_CLOCK_MONOTONIC), nil)
    guard let call else {
      throw RPCError(code: .internalError, message: "libgrpc makes no call of '\(descriptor)'.")
    }
    return Call(call, on: self.queue)
  }
}

private func deadline(after timeout: Duration) -> gpr_timespec {
  // Time that is over is no time at all; libgrpc takes no negative fractions.
  let (seconds, attoseconds) = max(timeout, .zero).components
  let span = gpr_timespec(
    tv_sec: seconds, tv_nsec: Int32(attoseconds / 1_000_000_000), clock_type: GPR_TIMESPAN)
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), span)
}
