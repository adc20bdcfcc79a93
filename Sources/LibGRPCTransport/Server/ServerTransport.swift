import CGRPC
import Glibc
public import GRPCCore

extension LibGRPC {
  /// A server transport on a unix socket.
  ///
  /// Cancellation: if a client cancels a call or goes away, or the call's deadline passes, the task that runs
  /// the call's handler is cancelled (and GRPCCore's cancellation handle with it). A graceful shutdown only
  /// cancels the handles, as GRPCCore has it.
  public final class ServerTransport: GRPCCore.ServerTransport {
    /// The bytes of a message.
    public typealias Bytes = [UInt8]

    private let server: Server
    private let peer: String

    /// Makes the socket. From now on it accepts connections, which wait until ``listen(streamHandler:)``.
    ///
    /// - Throws: `RPCError` if the path is not usable (invalid argument), or the socket cannot be bound (unavailable).
    public init(unixSocketPath path: String) throws {
      try UnixSocketAddress.check(path)
      guard let listener = ConnectionListener(path: path) else {
        throw RPCError(
          code: .unavailable,
          message:
            "Cannot listen on the unix socket '\(path)': \(String(cString: strerror(errno))). The directory must "
            + "exist and be writable, and no other process may listen there.")
      }
      self.server = Server(listener)
      self.peer = "unix:\(path)"
    }

    // A transport that never listened still has the socket.
    deinit { self.server.shutDown() }

    /// Serves calls until the shutdown is complete. Cancelling its task is the abrupt shutdown: all calls are
    /// cancelled and all connections closed.
    ///
    /// - Throws: `RPCError` (failed precondition) if the transport listens already or has listened.
    public func listen(
      streamHandler:
        @escaping @Sendable (_ stream: RPCStream<Inbound, Outbound>, _ context: ServerContext) async -> Void
    ) async throws {
      try self.server.start()
      await withTaskCancellationHandler {
        await withDiscardingTaskGroup { group in
          for await call in self.server.newCalls {
            group.addTask {
              await call.run(streamHandler, remotePeer: self.peer, localPeer: self.peer)
              self.server.remove(call)
            }
          }
        }
        await self.server.waitForShutdown()
      } onCancel: {
        self.server.shutDown(cancellingCalls: true)
      }
    }

    /// How many calls are under way, and how many there have been.
    public var callCounts: (open: Int, all: UInt64) { self.server.callCounts }

    /// Refuses new calls and lets those that run end; then ``listen(streamHandler:)`` returns.
    public func beginGracefulShutdown() { self.server.shutDown() }
  }
}
