import Glibc
import Processes

/// A control group whose directories and files are open.
///
/// Its usage is that of version 2, and of version 1's controllers for what version 2 lacks. It includes all
/// groups below it. The files are described in the kernel's `admin-guide/cgroup-v2` and
/// `admin-guide/cgroup-v1`.
struct OpenControlGroup {
  /// The path as systemd shows it.
  let path: String
  private let group: ControlGroupPath
  private let groups: ControlGroups
  /// The directory of version 2, if there is one yet: while a unit starts, its group is made in one hierarchy
  /// after the other.
  private var unified: ControlGroupDirectory?
  /// The directories of version 1, by controller, as far as they were needed and are there.
  private var controllers: [String: ControlGroupDirectory] = [:]
  /// `/proc/PID/stat` by PID.
  private var processes: [Int32: KernelFile] = [:]

  /// The largest number of processes of a unit that are read.
  static let processLimit = 512
  /// The largest number of groups of a unit that are searched for processes.
  static let groupLimit = 512

  /// Takes the path of a group; nil if it is not valid.
  init?(_ path: String, _ groups: ControlGroups) {
    guard let group = ControlGroupPath(path) else { return nil }
    self.path = path
    self.group = group
    self.groups = groups
  }

  /// Whether the group may stay open.
  var mayStayOpen: Bool {
    self.unified?.mayStayOpen != false && self.controllers.values.allSatisfy(\.mayStayOpen)
  }

  private var isGone: Bool {
    self.unified?.isGone == true || self.controllers.values.contains(where: \.isGone)
  }

  private func open(_ mount: ControlGroupMounts.Mount?) -> ControlGroupDirectory? {
    mount.flatMap { ControlGroupDirectory(self.group, in: $0, self.groups.quota) }
  }

  private mutating func directory(_ controller: String) -> ControlGroupDirectory? {
    if let directory = self.controllers[controller] { return directory }
    let directory = self.open(self.groups.mounts.controllers[controller])
    self.controllers[controller] = directory
    return directory
  }

  /// Reads the usage; nil if neither CPU time nor memory can be read, or the group has been removed.
  mutating func usage() -> ControlGroupUsage? {
    var usage = ControlGroupUsage()
    if self.unified == nil { self.unified = self.open(self.groups.mounts.unified) }
    if let unified = self.unified { Self.readUnified(unified, &usage) }
    if usage.cpuTime == nil, let group = self.directory("cpuacct") { Self.readCPUAccounting(group, &usage) }
    if usage.throttledPeriods == nil, let group = self.directory("cpu") { Self.readBandwidth(group, &usage) }
    if usage.memory == nil, let group = self.directory("memory") { Self.readMemory(group, &usage) }
    guard usage.cpuTime != nil || usage.memory != nil else { return nil }
    if let group = self.unified ?? self.directory("name=systemd") {
      usage.identity = group.identity
      usage.processes = self.processes(in: group)
    }
    return self.isGone ? nil : usage
  }

  private static func readUnified(_ group: ControlGroupDirectory, _ usage: inout ControlGroupUsage) {
    // Each group has this file; the throttling is in it only if the controller is enabled.
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

  private static func readCPUAccounting(_ group: ControlGroupDirectory, _ usage: inout ControlGroupUsage) {
    usage.cpuTime = group.number("cpuacct.usage")
    guard let times = group.read("cpuacct.stat").map(KernelNumbers.init) else { return }
    usage.userTime = times["user"].map(ProcessUsage.nanoseconds(ticks:))
    usage.systemTime = times["system"].map(ProcessUsage.nanoseconds(ticks:))
  }

  private static func readBandwidth(_ group: ControlGroupDirectory, _ usage: inout ControlGroupUsage) {
    guard let bandwidth = group.read("cpu.stat").map(KernelNumbers.init) else { return }
    usage.throttledPeriods = bandwidth["nr_throttled"]
    usage.throttledTime = bandwidth["throttled_time"]
  }

  private static func readMemory(_ group: ControlGroupDirectory, _ usage: inout ControlGroupUsage) {
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

  /// The processes that a search has found, and how many processes and groups it may still read.
  private struct Search {
    var processes: [Int32: ProcessUsage] = [:]
    var files: [Int32: KernelFile] = [:]
    var remainingProcesses = OpenControlGroup.processLimit
    var remainingGroups = OpenControlGroup.groupLimit
  }

  /// The processes of a group and of all groups below it. The kernel has a list for each group.
  private mutating func processes(in group: ControlGroupDirectory) -> [Int32: ProcessUsage] {
    var search = Search()
    self.search(group, depth: 0, &search)
    self.processes = search.files
    return search.processes
  }

  private func search(_ group: ControlGroupDirectory, depth: Int, _ search: inout Search) {
    // A threaded group has no list. In version 1 an open list does not change (the kernel's
    // kernel/cgroup/cgroup-v1.c).
    let numbers =
      group.read("cgroup.procs", staysOpen: self.unified != nil).map { KernelNumbers($0).all } ?? []
    for number in numbers.prefix(search.remainingProcesses) {
      search.remainingProcesses -= 1
      // A process that this PID namespace cannot see reads as 0.
      guard let number = Int32(exactly: number), number > 0 else { continue }
      self.read(number, &search)
    }
    guard depth < ControlGroupPath.maximumDepth, search.remainingProcesses > 0 else { return }
    for name in group.subgroups(limit: search.remainingGroups) {
      guard search.remainingGroups > 0, search.remainingProcesses > 0 else { return }
      search.remainingGroups -= 1
      // It may be gone by now.
      if let subgroup = group.subdirectory(name) { self.search(subgroup, depth: depth + 1, &search) }
    }
  }

  private func read(_ number: Int32, _ search: inout Search) {
    var file = self.processes[number]
    var text = file?.read()
    if text == nil {
      // The number may be another process's by now.
      file = KernelFile("\(self.groups.processDirectory)/\(number)/stat", O_RDONLY, self.groups.quota)
      text = file?.read()
    }
    guard let file, let usage = text.flatMap(ProcessUsage.init(stat:)) else { return }
    search.processes[number] = usage
    if file.mayStayOpen { search.files[number] = file }
  }
}
