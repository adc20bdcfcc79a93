import Glibc
import Synchronization

/// A unix socket that takes connections, and the thread that accepts them.
///
/// libgrpc's own listener ends for good at the first connection that it has no descriptor for (version 1.51): nobody can
/// reach the server any more, however many descriptors there are later.
final class ConnectionListener: Sendable {
  private enum Phase {
    case bound, accepting, ended
  }

  private let path: String
  private let descriptor: Int32
  private let phase = Mutex(Phase.bound)

  /// How many connections wait to be accepted, at most.
  private static let backlog: Int32 = 128
  /// How long to wait before the next attempt when the system lacks something, in microseconds.
  private static let pause: useconds_t = 100_000

  /// Makes the socket, in place of one that an earlier process may have left; nil, with `errno` set, if that is not
  /// possible.
  ///
  /// - Parameter path: one that ``UnixSocketAddress`` takes.
  init?(path: String) {
    var status = stat()
    if lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK { unlink(path) }
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return nil }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    let isBound = withUnsafePointer(to: &address) { address in
      address.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) == 0 }
    }
    guard isBound, listen(descriptor, Self.backlog) == 0 else {
      let error = errno
      close(descriptor)
      errno = error
      return nil
    }
    self.path = path
    self.descriptor = descriptor
  }

  /// Begins to accept connections, until ``end()``; does nothing if that was before.
  ///
  /// - Parameter take: takes over the descriptor of a connection, in non-blocking mode. Called on the listener's thread.
  /// - Returns: the system's error number if it refuses a thread, else 0.
  func accept(_ take: @escaping @Sendable (Int32) -> Void) -> Int32 {
    self.phase.withLock { phase in
      guard case .bound = phase else { return 0 }
      let error = DetachedThread.start { self.run(take) }
      guard error == 0 else { return error }
      phase = .accepting
      return 0
    }
  }

  private func run(_ take: (Int32) -> Void) {
    while true {
      let connection = Glibc.accept(self.descriptor, nil, nil)
      if connection >= 0 {
        _ = fcntl(connection, F_SETFD, FD_CLOEXEC)
        _ = fcntl(connection, F_SETFL, O_NONBLOCK)
        take(connection)
        continue
      }
      switch errno {
      case EINTR, ECONNABORTED: continue
      case EMFILE, ENFILE, ENOBUFS, ENOMEM: usleep(Self.pause)
      default: break
      }
      let hasEnded = self.phase.withLock { phase in
        if case .ended = phase { return true }
        return false
      }
      if hasEnded { break }
    }
    close(self.descriptor)
  }

  /// Removes the socket and accepts no more connections.
  func end() {
    self.phase.withLock { phase in
      switch phase {
      case .bound: close(self.descriptor)
      // The thread closes it.
      case .accepting: shutdown(self.descriptor, Int32(SHUT_RDWR))
      case .ended: return
      }
      phase = .ended
      unlink(self.path)
    }
  }
}
