import Glibc
import Processes

/// A control group whose directories and files are open: what the kernel counts for it, where version 2 has it from there,
/// else from version 1's controllers. What is counted for a group includes all groups below it.
///
/// The files are described in the kernel's `admin-guide/cgroup-v2` and `admin-guide/cgroup-v1`.
struct OpenControlGroup {
  /// As systemd tells it.
  let path: String
  private let group: ControlGroupPath
  private let groups: ControlGroups
  /// Of version 2, if there is such a group: while a unit starts, it is made in one hierarchy after the other.
  private var unified: ControlGroupDirectory?
  /// Of version 1, by controller, as far as they were needed and are there.
  private var controllers: [String: ControlGroupDirectory] = [:]
  /// `/proc/PID/stat` by PID.
  private var processes: [Int32: KernelFile] = [:]

  /// The largest number of processes of a unit that are told of.
  static let processLimit = 512
  /// The largest number of groups of a unit that are searched for processes.
  static let groupLimit = 512

  /// Takes the path of a group; `nil` if it is none.
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

  /// Reads what is counted; `nil` if neither CPU time nor memory can be read, or the group has been removed.
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

  /// What is left of the limits while a unit's processes are looked for.
  private struct Search {
    var processes: [Int32: ProcessUsage] = [:]
    var files: [Int32: KernelFile] = [:]
    var processesLeft = OpenControlGroup.processLimit
    var groupsLeft = OpenControlGroup.groupLimit
  }

  /// The processes of a group and of all below it: the kernel lists those of each group apart.
  private mutating func processes(in group: ControlGroupDirectory) -> [Int32: ProcessUsage] {
    var search = Search()
    self.look(into: group, depth: 0, &search)
    self.processes = search.files
    return search.processes
  }

  private func look(into group: ControlGroupDirectory, depth: Int, _ search: inout Search) {
    // A group with threads of other groups' processes has no list. An open one of version 1 stays as it was (the kernel's
    // kernel/cgroup/cgroup-v1.c).
    let numbers =
      group.read("cgroup.procs", staysOpen: self.unified != nil).map { KernelNumbers($0).all } ?? []
    for number in numbers.prefix(search.processesLeft) {
      search.processesLeft -= 1
      // A process that this PID namespace cannot see reads as 0.
      guard let number = Int32(exactly: number), number > 0 else { continue }
      self.read(number, &search)
    }
    guard depth < ControlGroupPath.maximumDepth, search.processesLeft > 0 else { return }
    for name in group.subgroups(limit: search.groupsLeft) {
      guard search.groupsLeft > 0, search.processesLeft > 0 else { return }
      search.groupsLeft -= 1
      // It may be gone by now.
      if let subgroup = group.subdirectory(name) { self.look(into: subgroup, depth: depth + 1, &search) }
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
