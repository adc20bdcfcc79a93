import CGRPC

/// Transports of GRPCCore on libgrpc, the C core of gRPC, over unix sockets.
///
/// ``ServerTransport`` and ``ClientTransport`` have one thread each that waits on a completion queue; calls
/// have none. What a call waits for is resumed from that thread.
public enum LibGRPC {
  /// Initialises libgrpc on first use. It stays initialised until the process ends: what it holds then
  /// (a few threads and timers) does not grow.
  static let initialise: Void = grpc_init()
}
