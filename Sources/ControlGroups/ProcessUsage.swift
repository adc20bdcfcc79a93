import Glibc
import Processes

/// What the kernel counts for a process (proc_pid_stat(5)).
package struct ProcessUsage: Sendable, Hashable {
  /// When it started, in clock ticks since the machine did; with the process's number it stands for no other process.
  package let startTime: UInt64

  /// CPU time in user space and in the kernel, in nanoseconds.
  package let userTime: UInt64
  package let systemTime: UInt64

  /// Memory of the process in RAM, in bytes; what it shares with others is included.
  package let residentMemory: UInt64

  /// Reads the text of `/proc/PID/stat`; anything else gives `nil`, and so does a process whose first thread has ended: what
  /// its other threads use is not told there.
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

  /// How long a number of the kernel's clock ticks is.
  static func nanoseconds(ticks: UInt64) -> UInt64 {
    ticks.multipliedReportingOverflow(by: Self.tickLength).partialValue
  }

  private static let tickLength = 1_000_000_000 / UInt64(max(sysconf(Int32(_SC_CLK_TCK)), 1))
  private static let pageSize = UInt64(max(sysconf(Int32(_SC_PAGESIZE)), 1))
}
