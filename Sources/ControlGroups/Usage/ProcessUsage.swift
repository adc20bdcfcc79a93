import Glibc
import Processes

/// The usage of a process (proc_pid_stat(5)).
package struct ProcessUsage: Sendable, Hashable {
  /// When it started, in clock ticks since boot; together with the process ID it identifies the process.
  package let startTime: UInt64

  /// CPU time in user space and in the kernel, in nanoseconds.
  package let userTime: UInt64
  package let systemTime: UInt64

  /// Memory of the process in RAM, in bytes, including what it shares with others.
  package let residentMemory: UInt64

  /// Reads the text of `/proc/PID/stat`. Anything else gives nil, and so does a process whose first thread
  /// has ended: the usage of its other threads is not there.
  package init?(stat: [UInt8]) {
    guard let fields = ProcessStat(stat), !fields.isZombie, let user = fields.number(14),
      let system = fields.number(15),
      let start = fields.number(22), let pages = fields.number(24)
    else { return nil }
    self.startTime = start
    self.userTime = Self.nanoseconds(ticks: user)
    self.systemTime = Self.nanoseconds(ticks: system)
    self.residentMemory = pages.multipliedReportingOverflow(by: Self.pageSize).partialValue
  }

  /// The duration of a number of the kernel's clock ticks.
  static func nanoseconds(ticks: UInt64) -> UInt64 {
    ticks.multipliedReportingOverflow(by: Self.tickLength).partialValue
  }

  private static let tickLength = 1_000_000_000 / UInt64(max(sysconf(Int32(_SC_CLK_TCK)), 1))
  private static let pageSize = UInt64(max(sysconf(Int32(_SC_PAGESIZE)), 1))
}
