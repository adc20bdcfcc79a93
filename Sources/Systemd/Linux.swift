import Glibc

/// What Linux offers and Swift's Glibc module does not show. On failure the calls return -1 and set `errno`.
enum Linux {
  private typealias SystemCall = @convention(c) (CLong, CLong, CLong) -> CLong
  private typealias FourArgumentCall = @convention(c) (CLong, CLong, CLong, CLong, CLong) -> CLong
  private typealias EpollCreate = @convention(c) (Int32) -> Int32
  private typealias EpollControl = @convention(c) (Int32, Int32, Int32, UnsafeMutableRawPointer) -> Int32
  private typealias EpollWait = @convention(c) (Int32, UnsafeMutableRawPointer, Int32, Int32) -> Int32

  private static let systemCall = symbol("syscall", as: SystemCall.self)
  private static let fourArgumentCall = symbol("syscall", as: FourArgumentCall.self)
  private static let epollCreateFunction = symbol("epoll_create1", as: EpollCreate.self)
  private static let epollControlFunction = symbol("epoll_ctl", as: EpollControl.self)
  private static let epollWaitFunction = symbol("epoll_wait", as: EpollWait.self)

  private static func symbol<Function>(_ name: String, as type: Function.Type) -> Function? {
    dlsym(nil, name).map { unsafeBitCast($0, to: type) }
  }

  /// `F_SETPIPE_SZ` of `fcntl(2)`.
  static let setPipeSize: Int32 = 1031

  /// `pidfd_open(2)` (Linux 5.3; in glibc from 2.36 only): a descriptor, close-on-exec, that becomes readable when the
  /// process dies.
  static func pidfdOpen(_ processID: pid_t) -> Int32 {
    systemCall.map { Int32($0(434, CLong(processID), 0)) } ?? unavailable()
  }

  /// `pidfd_send_signal(2)` (Linux 5.1).
  static func pidfdSendSignal(_ pidDescriptor: Int32, _ signal: Int32) -> Int32 {
    fourArgumentCall.map { Int32($0(424, CLong(pidDescriptor), CLong(signal), 0, 0)) } ?? unavailable()
  }

  /// `epoll_create1(2)`, close-on-exec.
  static func epollCreate() -> Int32 {
    epollCreateFunction.map { $0(O_CLOEXEC) } ?? unavailable()
  }

  /// `EPOLL_CTL_ADD`, `EPOLL_CTL_DEL`, `EPOLL_CTL_MOD` of `epoll_ctl(2)`.
  enum EpollOperation: Int32 {
    case add = 1
    case delete, modify
  }

  /// `EPOLLIN`, `EPOLLOUT` and `EPOLLONESHOT` of `epoll_ctl(2)`.
  static let epollIn: UInt32 = 0x1
  static let epollOut: UInt32 = 0x4
  static let epollOneShot: UInt32 = 1 << 30

  /// `epoll_ctl(2)`.
  static func epollControl(
    _ epoll: Int32, _ operation: EpollOperation, _ descriptor: Int32, events: UInt32 = 0, data: UInt64 = 0
  ) -> Int32 {
    guard let epollControlFunction else { return unavailable() }
    return withUnsafeTemporaryAllocation(byteCount: eventSize, alignment: 8) { event in
      event.storeBytes(of: events, as: UInt32.self)
      event.storeBytes(of: data, toByteOffset: eventDataOffset, as: UInt64.self)
      guard let address = event.baseAddress else { return unavailable() }
      return epollControlFunction(epoll, operation.rawValue, descriptor, address)
    }
  }

  /// `epoll_wait(2)` without a time limit, for up to 64 events: their data.
  static func epollWait(_ epoll: Int32) -> [UInt64] {
    let capacity = 64
    return withUnsafeTemporaryAllocation(byteCount: capacity * eventSize, alignment: 8) { events in
      guard let epollWaitFunction, let address = events.baseAddress else { return [] }
      let count = Int(epollWaitFunction(epoll, address, Int32(capacity), -1))
      return (0..<max(count, 0)).map { index in
        events.loadUnaligned(fromByteOffset: index * eventSize + eventDataOffset, as: UInt64.self)
      }
    }
  }

  // `struct epoll_event` is packed on x86-64 and nowhere else.
  #if arch(x86_64)
    private static let eventSize = 12
    private static let eventDataOffset = 4
  #else
    private static let eventSize = 16
    private static let eventDataOffset = 8
  #endif

  private static func unavailable() -> Int32 {
    errno = ENOSYS
    return -1
  }
}
