import CLinux
import Foundation
import Glibc
import Synchronization

/// Reports when descriptors are readable or writable: one epoll descriptor and one thread for the whole
/// process.
///
/// Dispatch sources would do the same, but on Linux libdispatch uses memory that it has freed when the other
/// end of a pipe is closed (Swift 6.3, `_dispatch_event_loop_drain`, found by ThreadSanitizer), as happens
/// with each command.
package final class ReadinessMonitor: Sendable {
  private struct State {
    var observers: [UInt64: @Sendable () -> Void] = [:]
    var lastID: UInt64 = 0
  }

  private static let instance = Mutex<ReadinessMonitor?>(nil)

  private let epoll: Int32
  private let state = Mutex(State())

  private init(epoll: Int32) {
    self.epoll = epoll
  }

  /// The process's monitor; nil, with `errno` set, if there is none yet and none can be made.
  package static var shared: ReadinessMonitor? {
    self.instance.withLock { instance in
      if let instance { return instance }
      let epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
      guard epoll >= 0 else { return nil }
      let monitor = ReadinessMonitor(epoll: epoll)
      let thread = Thread { monitor.run() }
      thread.name = "systemd-epoll"
      thread.start()
      instance = monitor
      return monitor
    }
  }

  /// Adds a descriptor.
  ///
  /// - Parameter onReady: is called on the monitor's thread, once for each ``arm(_:id:for:)``.
  /// - Returns: a number that identifies the descriptor; nil, with `errno` set, on failure.
  package func add(_ descriptor: Int32, onReady: @escaping @Sendable () -> Void) -> UInt64? {
    let id = self.state.withLock { state in
      state.lastID += 1
      state.observers[state.lastID] = onReady
      return state.lastID
    }
    if self.control(EPOLL_CTL_ADD, descriptor, EPOLLONESHOT.rawValue, id) == 0 { return id }
    let error = errno
    self.state.withLock { state in _ = state.observers.removeValue(forKey: id) }
    errno = error
    return nil
  }

  /// What a descriptor is ready for.
  package enum Readiness: Sendable {
    case reading, writing
  }

  /// Asks for one call of `onReady` when the descriptor is readable, or writable, or at its end; at once if
  /// it already is.
  package func arm(_ descriptor: Int32, id: UInt64, for readiness: Readiness = .reading) {
    let event = readiness == .reading ? EPOLLIN : EPOLLOUT
    // The descriptor was added, so this cannot fail.
    _ = self.control(EPOLL_CTL_MOD, descriptor, event.rawValue | EPOLLONESHOT.rawValue, id)
  }

  /// Removes a descriptor. This must be done before the descriptor is closed.
  package func remove(_ descriptor: Int32, id: UInt64) {
    _ = self.control(EPOLL_CTL_DEL, descriptor, 0, id)
    self.state.withLock { state in _ = state.observers.removeValue(forKey: id) }
  }

  private func control(_ operation: Int32, _ descriptor: Int32, _ events: UInt32, _ id: UInt64) -> Int32 {
    var event = epoll_event(events: events, data: epoll_data_t(u64: id))
    return epoll_ctl(self.epoll, operation, descriptor, &event)
  }

  private func run() {
    // Signals are for other threads, which expect them.
    var all = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, nil)
    var events = [epoll_event](repeating: epoll_event(), count: 64)
    while true {
      let count = epoll_wait(self.epoll, &events, Int32(events.count), -1)
      // An event may have been fetched before its descriptor was removed. Identifiers are never used again.
      for event in events.prefix(Int(max(count, 0))) {
        self.state.withLock { $0.observers[event.data.u64] }?()
      }
    }
  }
}
