/// The usage of a control group at one time. A value is nil if the kernel does not count it or it cannot be
/// read.
package struct ControlGroupUsage: Sendable, Hashable {
  /// When the CPU time was read.
  package var time: ContinuousClock.Instant

  /// Identifies the group that the counters are of. With another identity they have begun anew.
  package var identity: String?

  /// CPU time in nanoseconds: the total, in user space, in the kernel.
  package var cpuTime: UInt64?
  package var userTime: UInt64?
  package var systemTime: UInt64?

  /// In how many periods the group's limit (`CPUQuota=`) has throttled it, and for how many nanoseconds.
  package var throttledPeriods: UInt64?
  package var throttledTime: UInt64?

  /// Memory that counts towards the group's limit, now and at most, in bytes.
  package var memory: UInt64?
  package var memoryPeak: UInt64?

  /// Parts of that memory: of processes without files, the cache of files, and the kernel's for the group.
  package var anonymousMemory: UInt64?
  package var fileCache: UInt64?
  package var kernelMemory: UInt64?
  package var kernelMemoryPeak: UInt64?

  /// Memory in swap, in bytes.
  package var swap: UInt64?

  /// The processes by their process IDs on this host.
  package var processes: [Int32: ProcessUsage] = [:]

  /// Makes a usage without values.
  package init(time: ContinuousClock.Instant = .now) { self.time = time }
}
