import Glibc

/// What Linux offers and Swift's Glibc module does not show. On failure the calls return -1 and set `errno`.
package enum Linux {
  private typealias SystemCall = @convention(c) (CLong, CLong, CLong, CLong, CLong) -> CLong
  private typealias EpollCreate = @convention(c) (Int32) -> Int32
  private typealias EpollControl = @convention(c) (Int32, Int32, Int32, UnsafeMutableRawPointer) -> Int32
  private typealias EpollWait = @convention(c) (Int32, UnsafeMutableRawPointer, Int32, Int32) -> Int32
  private typealias MallocTrim = @convention(c) (Int) -> Int32

  private static let systemCall = symbol("syscall", as: SystemCall.self)
  private static let epollCreateFunction = symbol("epoll_create1", as: EpollCreate.self)
  private static let epollControlFunction = symbol("epoll_ctl", as: EpollControl.self)
  private static let epollWaitFunction = symbol("epoll_wait", as: EpollWait.self)
  private static let mallocTrimFunction = symbol("malloc_trim", as: MallocTrim.self)

  private static func symbol<Function>(_ name: String, as type: Function.Type) -> Function? {
    dlsym(nil, name).map { unsafeBitCast($0, to: type) }
  }

  /// `malloc_trim(3)` of glibc: gives memory that is not used back to the system.
  package static func trimMemory() { _ = mallocTrimFunction?(0) }

  /// What a clock of `clock_gettime(2)` says, in microseconds.
  package static func microseconds(_ clock: clockid_t) -> UInt64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec / 1000)
  }

  /// `F_SETPIPE_SZ` of `fcntl(2)`.
  static let setPipeSize: Int32 = 1031

  /// `O_PATH` of `open(2)`: of a folder, a place to open what is in it from, and no more.
  static let openPath: Int32 = 0o10000000

  /// `pidfd_open(2)` (Linux 5.3; in glibc from 2.36 only): a descriptor, close-on-exec, that becomes readable when the
  /// process dies.
  static func pidfdOpen(_ processID: pid_t) -> Int32 {
    systemCall.map { Int32($0(434, CLong(processID), 0, 0, 0)) } ?? unavailable()
  }

  /// `pidfd_send_signal(2)` (Linux 5.1): a signal to the process of a pidfd, whatever its number is by now.
  static func pidfdSendSignal(_ descriptor: Int32, _ signal: Int32) -> Int32 {
    systemCall.map { Int32($0(424, CLong(descriptor), CLong(signal), 0, 0)) } ?? unavailable()
  }

  /// All of a file, such as one of proc(5); `nil`, with `errno` set, if it cannot be read.
  ///
  /// - Parameters:
  ///   - directory: an open directory that a relative path begins in.
  ///   - limit: what is more than this is left out, in bytes.
  static func contents(of path: String, in directory: Int32 = AT_FDCWD, limit: Int = 4 << 20) -> [UInt8]? {
    let descriptor = openat(directory, path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16 << 10)
    while bytes.count < limit {
      let count = read(descriptor, &chunk, chunk.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { return nil }
      if count == 0 { break }
      bytes += chunk[..<count]
    }
    return bytes
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
