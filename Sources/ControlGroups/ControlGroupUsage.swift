/// What the kernel counts for a control group at one time. A `nil` is what is not counted or cannot be read.
package struct ControlGroupUsage: Sendable, Hashable {
  /// When the CPU time was read.
  package var time: ContinuousClock.Instant

  /// Stands for what is counted since: the counters of another identity begin anew.
  package var identity: String?

  /// CPU time, in nanoseconds: in all, in user space, in the kernel.
  package var cpuTime: UInt64?
  package var userTime: UInt64?
  package var systemTime: UInt64?

  /// In how many periods the group's own limit (`CPUQuota=`) has held it back, and for how many nanoseconds.
  package var throttledPeriods: UInt64?
  package var throttledTime: UInt64?

  /// Memory that counts towards the group's limit, now and at most, in bytes.
  package var memory: UInt64?
  package var memoryPeak: UInt64?

  /// Of that memory: what belongs to processes and not to files, the cache of files, and the kernel's for the group.
  package var anonymousMemory: UInt64?
  package var fileCache: UInt64?
  package var kernelMemory: UInt64?
  package var kernelMemoryPeak: UInt64?

  /// Memory in swap, in bytes.
  package var swap: UInt64?

  /// The processes by number, as this host knows them.
  package var processes: [Int32: ProcessUsage] = [:]

  /// Nothing is counted.
  package init(time: ContinuousClock.Instant = .now) { self.time = time }
}
