import Glibc

/// Reads what the kernel counts for control groups of this host: where version 2 has it, from there, else from version
/// 1's controllers. What the kernel counts for a group includes all groups below it.
///
/// The files are described in the kernel's `admin-guide/cgroup-v2` and `admin-guide/cgroup-v1`.
package struct ControlGroupReader: Sendable {
  private let mounts: ControlGroupMounts
  private let processFolder: String

  /// The largest number of processes of a unit that are told of.
  static let processLimit = 512
  /// The largest number of bytes that is read of the list of mounts.
  private static let mountinfoLimit = 4 << 20
  /// The largest number of groups of a unit that are searched for processes.
  static let groupLimit = 512

  /// - Parameters:
  ///   - mounts: where the control groups are.
  ///   - processFolder: where proc(5) is mounted.
  init(mounts: ControlGroupMounts, processFolder: String = "/proc") {
    self.mounts = mounts
    self.processFolder = processFolder
  }

  /// The reader for this host as it is now.
  package static var current: ControlGroupReader {
    let mountinfo = Linux.contents(of: "/proc/self/mountinfo", limit: Self.mountinfoLimit) ?? []
    return ControlGroupReader(mounts: ControlGroupMounts(mountinfo: mountinfo))
  }

  /// What is counted for groups; those of which neither CPU time nor memory can be read are missing.
  ///
  /// It reads some ten files a group, and one for each process: that is for a thread that may wait.
  package func usage(of paths: [ControlGroupPath]) -> [ControlGroupPath: UnitUsage] {
    var walks = Walks(self.mounts)
    var usages: [ControlGroupPath: UnitUsage] = [:]
    // In the order in which they have most of the way in common.
    for path in paths.sorted(by: { $0.components.lexicographicallyPrecedes($1.components) }) {
      usages[path] = self.usage(of: path, &walks)
    }
    return usages
  }

  /// The ways through the hierarchies.
  private struct Walks {
    private var unified: ControlGroupWalk?
    private var controllers: [String: ControlGroupWalk]

    init(_ mounts: ControlGroupMounts) {
      self.unified = mounts.unified.map(ControlGroupWalk.init)
      self.controllers = mounts.controllers.mapValues(ControlGroupWalk.init)
    }

    mutating func unified(_ path: ControlGroupPath) -> ControlGroupFolder? { self.unified?.folder(path) }

    mutating func folder(_ controller: String, _ path: ControlGroupPath) -> ControlGroupFolder? {
      self.controllers[controller]?.folder(path)
    }
  }

  private func usage(of path: ControlGroupPath, _ walks: inout Walks) -> UnitUsage? {
    let unified = walks.unified(path)
    var usage = UnitUsage()
    if let unified { Self.readUnified(unified, &usage) }
    if usage.cpuTime == nil, let group = walks.folder("cpuacct", path) {
      Self.readCPUAccounting(group, &usage)
    }
    if usage.throttledPeriods == nil, let group = walks.folder("cpu", path) {
      Self.readBandwidth(group, &usage)
    }
    if usage.memory == nil, let group = walks.folder("memory", path) { Self.readMemory(group, &usage) }
    guard usage.cpuTime != nil || usage.memory != nil else { return nil }
    if let group = unified ?? walks.folder("name=systemd", path) {
      usage.identity = group.identity.map { "\($0)" }
      usage.processes = self.processes(in: group)
    }
    return usage
  }

  private static func readUnified(_ group: ControlGroupFolder, _ usage: inout UnitUsage) {
    // It is there for each group, with the throttling only where the controller is on.
    if let cpu = group.read("cpu.stat").map(KernelNumbers.init) {
      usage.cpuTime = cpu["usage_usec"].map(Self.nanoseconds(microseconds:))
      usage.userTime = cpu["user_usec"].map(Self.nanoseconds(microseconds:))
      usage.systemTime = cpu["system_usec"].map(Self.nanoseconds(microseconds:))
      usage.throttledPeriods = cpu["nr_throttled"]
      usage.throttledTime = cpu["throttled_usec"].map(Self.nanoseconds(microseconds:))
    }
    guard let memory = group.number("memory.current") else { return }
    usage.memory = memory
    usage.memoryPeak = group.number("memory.peak")
    usage.swap = group.number("memory.swap.current")
    guard let memory = group.read("memory.stat").map(KernelNumbers.init) else { return }
    usage.anonymousMemory = memory["anon"]
    usage.fileCache = memory["file"]
    usage.kernelMemory = memory["kernel"]
  }

  private static func readCPUAccounting(_ group: ControlGroupFolder, _ usage: inout UnitUsage) {
    usage.cpuTime = group.number("cpuacct.usage")
    guard let times = group.read("cpuacct.stat").map(KernelNumbers.init) else { return }
    usage.userTime = times["user"].map(ProcessUsage.nanoseconds(ticks:))
    usage.systemTime = times["system"].map(ProcessUsage.nanoseconds(ticks:))
  }

  private static func readBandwidth(_ group: ControlGroupFolder, _ usage: inout UnitUsage) {
    guard let bandwidth = group.read("cpu.stat").map(KernelNumbers.init) else { return }
    usage.throttledPeriods = bandwidth["nr_throttled"]
    usage.throttledTime = bandwidth["throttled_time"]
  }

  private static func readMemory(_ group: ControlGroupFolder, _ usage: inout UnitUsage) {
    usage.memory = group.number("memory.usage_in_bytes")
    usage.memoryPeak = group.number("memory.max_usage_in_bytes")
    usage.kernelMemory = group.number("memory.kmem.usage_in_bytes")
    usage.kernelMemoryPeak = group.number("memory.kmem.max_usage_in_bytes")
    guard let memory = group.read("memory.stat").map(KernelNumbers.init) else { return }
    usage.anonymousMemory = memory["total_rss"]
    usage.fileCache = memory["total_cache"]
    usage.swap = memory["total_swap"]
  }

  private static func nanoseconds(microseconds: UInt64) -> UInt64 {
    microseconds.multipliedReportingOverflow(by: 1000).partialValue
  }

  // MARK: Processes

  /// What is left of the limits while a unit's processes are looked for.
  private struct Search {
    var processes: [Int32: ProcessUsage] = [:]
    var processesLeft = ControlGroupReader.processLimit
    var groupsLeft = ControlGroupReader.groupLimit
  }

  /// The processes of a group and of all below it: the kernel lists those of each group apart.
  private func processes(in group: ControlGroupFolder) -> [Int32: ProcessUsage] {
    var search = Search()
    self.look(into: group, depth: 0, &search)
    return search.processes
  }

  private func look(into group: ControlGroupFolder, depth: Int, _ search: inout Search) {
    // A group with threads of other groups' processes has no list.
    let numbers = group.read("cgroup.procs").map { KernelNumbers($0).all } ?? []
    for number in numbers.prefix(search.processesLeft) {
      search.processesLeft -= 1
      // A process that this PID namespace cannot see reads as 0.
      guard let number = Int32(exactly: number), number > 0 else { continue }
      search.processes[number] = self.process(number)
    }
    guard depth < ControlGroupPath.maximumDepth, search.processesLeft > 0 else { return }
    for name in group.subgroups(limit: search.groupsLeft) {
      guard search.groupsLeft > 0, search.processesLeft > 0 else { return }
      search.groupsLeft -= 1
      // It may be gone by now.
      if let subgroup = group.subfolder(name) { self.look(into: subgroup, depth: depth + 1, &search) }
    }
  }

  private func process(_ number: Int32) -> ProcessUsage? {
    let descriptor = open("\(self.processFolder)/\(number)/stat", O_RDONLY | O_CLOEXEC)
    return ControlGroupFolder.read(descriptor).flatMap(ProcessUsage.init(stat:))
  }
}
