import Foundation
import TestHelpers
import Testing

@testable import ControlGroups

/// The kernel's files about control groups, in trees made up by the tests.
@Suite struct ControlGroupTests {
  // MARK: Paths and mounts

  @Test func paths() throws {
    #expect(try #require(ControlGroupPath("/")).components == [])
    #expect(
      try #require(ControlGroupPath("/system.slice/a\\x2db.service")).components
        == ["system.slice", "a\\x2db.service"])
    let long = String(repeating: "a", count: 256)
    let deep = String(repeating: "/a", count: ControlGroupPath.maximumDepth + 1)
    for text in [
      "", "a", "//", "/a/", "/a//b", "/..", "/a/../b", "/.", "/a/./b", "/a\0b", "/" + long, deep,
    ] {
      #expect(ControlGroupPath(text) == nil, "\(text.debugDescription)")
    }
  }

  private static let hybrid = """
    23 28 0:22 / /sys rw,nosuid - sysfs sysfs rw
    31 23 0:28 / /sys/fs/cgroup rw,relatime shared:9 - tmpfs tmpfs rw,mode=755
    32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:10 master:1 - cgroup cgroup rw,cpu,cpuacct
    35 31 0:32 /box /sys/fs/cgroup/with\\040space rw - cgroup cgroup rw,memory
    40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
    41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate
    42 31 0:38 / /elsewhere rw - cgroup2 cgroup2 rw
    43 31 0:39 /../.. /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
    44 31 0:40 / /short - cgroup
    """

  @Test func mountsOfAHybridHost() throws {
    let mounts = ControlGroupMounts(mountinfo: Array(Self.hybrid.utf8))
    #expect(mounts.unified?.path == "/sys/fs/cgroup/unified")
    #expect(mounts.controllers["cpuacct"]?.path == "/sys/fs/cgroup/cpu,cpuacct")
    #expect(mounts.controllers["cpu"] == mounts.controllers["cpuacct"])
    #expect(mounts.controllers["name=systemd"]?.path == "/sys/fs/cgroup/systemd")
    #expect(mounts.controllers["memory"]?.path == "/sys/fs/cgroup/with space")
    #expect(mounts.controllers["memory"]?.root == ControlGroupPath("/box"))
    // A group above the one that the mount shows.
    #expect(mounts.controllers["pids"] == nil)
  }

  @Test(arguments: ["", "\n\n", "a b c d e f - cgroup2 x y", "1 2 3 / /m rw - - - -"]) func noMounts(
    text: String
  ) {
    #expect(ControlGroupMounts(mountinfo: Array(text.utf8)) == ControlGroupMounts())
  }

  // MARK: Processes

  private static func stat(_ number: Int, user: Int = 0, system: Int = 0, start: Int = 1, pages: Int = 1)
    -> String
  {
    "\(number) (a) b (c) S 1 1 1 0 -1 4194304 9 0 0 0 \(user) \(system) 0 0 20 0 1 0 \(start) 99 \(pages) 1 2 3\n"
  }

  @Test func processes() throws {
    let usage = try #require(
      ProcessUsage(stat: Array(Self.stat(7, user: 150, system: 50, start: 9, pages: 3).utf8)))
    let tick = 1_000_000_000 / UInt64(sysconf(Int32(_SC_CLK_TCK)))
    #expect(usage.userTime == 150 * tick && usage.systemTime == 50 * tick)
    #expect(usage.startTime == 9)
    #expect(usage.residentMemory == 3 * UInt64(sysconf(Int32(_SC_PAGESIZE))))
    // Its first thread has ended.
    let ended = Self.stat(7, pages: 0).replacingOccurrences(of: ") S ", with: ") Z ")
    #expect(ProcessUsage(stat: Array(ended.utf8)) == nil)
    for text in ["", "7 (a", "7 (a) S 1 2 3", "7 (a) S x x x x x x x x x x x x x x x x x x x x x x x x"] {
      #expect(ProcessUsage(stat: Array(text.utf8)) == nil)
    }
  }

  // MARK: Trees

  /// A file system with the files of control groups and processes.
  private struct Tree {
    let directory: String

    func write(_ files: [String: String]) throws {
      for (path, text) in files {
        let url = URL(fileURLWithPath: "\(self.directory)/\(path)")
        try FileManager.default.createDirectory(
          at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
      }
    }

    /// Hierarchies by their directories' names: `2` is version 2, others are version 1's controllers.
    func groups(_ hierarchies: [String], quota: OpenFileQuota = OpenFileQuota(100)) -> ControlGroups {
      let lines = hierarchies.map { name in
        name == "2"
          ? "1 1 0:1 / \(self.directory)/2 rw - cgroup2 c rw"
          : "1 1 0:1 / \(self.directory)/\(name) rw - cgroup c rw,\(name)"
      }
      let mounts = ControlGroupMounts(mountinfo: Array(lines.joined(separator: "\n").utf8))
      return ControlGroups(mounts: mounts, processDirectory: "\(self.directory)/proc", quota: quota)
    }

    func usage(_ path: String, _ hierarchies: String...) -> ControlGroupUsage? {
      ControlGroupReader(self.groups(hierarchies)).usage(of: path)
    }

    /// How many of its files this process has open.
    var openFiles: Int {
      let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
      return names.count { name in
        let path = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(name)")
        return path?.hasPrefix("\(self.directory)/") == true
      }
    }
  }

  private func withTree(_ files: [String: String] = [:], _ body: (Tree) throws -> Void) async throws {
    try await withTemporaryDirectory { directory in
      let tree = Tree(directory: directory)
      try tree.write(files)
      try body(tree)
    }
  }

  private static let group = "s.slice/a.service"
  private static let cpuOfVersion2 =
    "usage_usec 3000\nuser_usec 2000\nsystem_usec 1000\nnr_periods 9\nnr_throttled 4\nthrottled_usec 7\n"

  @Test func severalGroups() async throws {
    let paths = [
      "/a.slice", "/a.slice/x.service", "/a.slice/x.service/y", "/a.slice/z.service", "/b.service",
    ]
    var files: [String: String] = [:]
    for (index, path) in paths.enumerated() { files["2\(path)/cpu.stat"] = "usage_usec \(index)\n" }
    try await self.withTree(files) { tree in
      let reader = ControlGroupReader(tree.groups(["2"]))
      // With some that are not there in between.
      let missing = ["/a.slice/n.service", "/a.slice/x.service/n/n", "/a"]
      for (index, path) in Array((paths + missing).enumerated()).shuffled() {
        #expect(reader.usage(of: path)?.cpuTime == (index < paths.count ? UInt64(index) * 1000 : nil))
      }
    }
  }

  @Test func whatIsReadAgain() async throws {
    let path = "/" + Self.group
    try await self.withTree([
      "2\(path)/cpu.stat": Self.cpuOfVersion2, "2\(path)/cgroup.procs": "7\n8\n",
      "2/b.service/cpu.stat": "usage_usec 1\n", "proc/7/stat": Self.stat(7), "proc/8/stat": Self.stat(8),
      "proc/9/stat": Self.stat(9),
    ]) { tree in
      let quota = OpenFileQuota(6)
      let readers = [quota, quota, OpenFileQuota(0)].map {
        ControlGroupReader(tree.groups(["2"], quota: $0))
      }
      for reader in readers { #expect(reader.usage(of: path)?.processes.keys.sorted() == [7, 8]) }
      // The directory, two files and two processes; of the second reader the directory.
      #expect(tree.openFiles == 6)
      // In place, as the kernel does.
      func overwrite(_ file: String, _ text: String) throws {
        let file = try #require(FileHandle(forWritingAtPath: "\(tree.directory)/\(file)"))
        try file.truncate(atOffset: 0)
        try file.write(contentsOf: Data(text.utf8))
        try file.close()
      }
      try overwrite("2\(path)/cpu.stat", "usage_usec 4000\n")
      try overwrite("2\(path)/cgroup.procs", "8\n9\n")
      try overwrite("proc/8/stat", Self.stat(8, start: 5))
      for reader in readers {
        let usage = try #require(reader.usage(of: path))
        #expect(usage.cpuTime == 4_000_000 && usage.throttledPeriods == nil)
        #expect(usage.processes.keys.sorted() == [8, 9] && usage.processes[8]?.startTime == 5)
      }
      #expect(tree.openFiles == 6)
      // The unit's group is another, or none.
      for reader in readers { #expect(reader.usage(of: "/b.service")?.cpuTime == 1000) }
      #expect(tree.openFiles == 4)
      for path in ["/none.service", "", "/../b.service"] {
        for reader in readers { #expect(reader.usage(of: path) == nil) }
      }
      #expect(tree.openFiles == 0)
      for reader in readers { _ = reader.usage(of: path) }
      withExtendedLifetime(readers) { #expect(tree.openFiles == 6) }
    }
  }

  @Test func aGroupThatIsMadeAnewBetweenReadings() async throws {
    let cpu = "cpu/\(Self.group)/cpu.stat"
    let files = [
      "cpuacct/\(Self.group)/cpuacct.usage": "1\n", cpu: "nr_throttled 1\n",
      "name=systemd/\(Self.group)/cgroup.procs": "7\n", "proc/7/stat": Self.stat(7),
    ]
    try await self.withTree(files) { tree in
      let manager = FileManager.default
      let reader = ControlGroupReader(tree.groups(["2", "cpuacct", "cpu", "name=systemd"]))
      #expect(reader.usage(of: "/" + Self.group)?.cpuTime == 1)

      // It is removed from the hierarchies; in one there is a directory without the file yet.
      for hierarchy in ["cpuacct", "name=systemd", "cpu"] {
        try manager.removeItem(atPath: "\(tree.directory)/\(hierarchy)")
      }
      try tree.write(["cpuacct/\(Self.group)/cpuacct.usage": "2\n", "cpu/\(Self.group)/other": ""])
      let between = try #require(reader.usage(of: "/" + Self.group))
      #expect(between.cpuTime == 2 && between.throttledPeriods == nil && between.processes.isEmpty)

      // The directory that was seen is not the one that stays.
      try manager.moveItem(atPath: "\(tree.directory)/cpu", toPath: "\(tree.directory)/old")
      try tree.write([cpu: "nr_throttled 3\n", "name=systemd/\(Self.group)/cgroup.procs": "7\n"])
      let after = try #require(reader.usage(of: "/" + Self.group))
      #expect(after.cpuTime == 2 && after.throttledPeriods == 3 && after.processes.count == 1)

      try tree.write(["2/\(Self.group)/cpu.stat": Self.cpuOfVersion2])
      #expect(reader.usage(of: "/" + Self.group)?.cpuTime == 3_000_000)
    }
  }

  @Test func versionTwo() async throws {
    try await self.withTree([
      "2/\(Self.group)/cpu.stat": Self.cpuOfVersion2,
      "2/\(Self.group)/memory.current": "100\n", "2/\(Self.group)/memory.peak": "200\n",
      "2/\(Self.group)/memory.swap.current": "0\n",
      "2/\(Self.group)/memory.stat": "anon 10\nfile 20\nkernel 30\nkernel_stack 5\n",
      "2/\(Self.group)/cgroup.procs": "7\n0\n8\n",
      "proc/7/stat": Self.stat(7, user: 1),
    ]) { tree in
      let usage = try #require(tree.usage("/" + Self.group, "2"))
      #expect(usage.cpuTime == 3_000_000 && usage.userTime == 2_000_000 && usage.systemTime == 1_000_000)
      #expect(usage.throttledPeriods == 4 && usage.throttledTime == 7000)
      #expect(usage.memory == 100 && usage.memoryPeak == 200 && usage.swap == 0)
      #expect(usage.anonymousMemory == 10 && usage.fileCache == 20 && usage.kernelMemory == 30)
      #expect(usage.kernelMemoryPeak == nil)
      // The process 8 has ended meanwhile.
      #expect(usage.processes.keys.sorted() == [7])
    }
  }

  @Test func whatIsNotThereIsNotCounted() async throws {
    try await self.withTree(["2/\(Self.group)/cpu.stat": "usage_usec 1\nuser_usec 1\nsystem_usec 0\n"]) {
      tree in
      let usage = try #require(tree.usage("/" + Self.group, "2"))
      #expect(usage.cpuTime == 1000 && usage.systemTime == 0)
      #expect(usage.throttledPeriods == nil && usage.throttledTime == nil)
      #expect(usage.memory == nil && usage.swap == nil && usage.fileCache == nil && usage.processes.isEmpty)
      #expect(tree.usage("/s.slice", "2") == nil)
      #expect(tree.usage("/other.service", "2") == nil)
      #expect(tree.usage("/" + Self.group) == nil)
    }
  }

  @Test func versionOne() async throws {
    try await self.withTree([
      "cpuacct/\(Self.group)/cpuacct.usage": "5000\n",
      "cpuacct/\(Self.group)/cpuacct.stat": "user 3\nsystem 2\n",
      "cpu/\(Self.group)/cpu.stat": "nr_periods 9\nnr_throttled 4\nthrottled_time 7\n",
      "memory/\(Self.group)/memory.usage_in_bytes": "100\n",
      "memory/\(Self.group)/memory.max_usage_in_bytes": "200\n",
      "memory/\(Self.group)/memory.kmem.usage_in_bytes": "30\n",
      "memory/\(Self.group)/memory.kmem.max_usage_in_bytes": "40\n",
      "memory/\(Self.group)/memory.stat":
        "cache 1\nrss 1\nswap 1\ntotal_cache 20\ntotal_rss 10\ntotal_swap 5\n",
      "name=systemd/\(Self.group)/cgroup.procs": "7\n", "proc/7/stat": Self.stat(7),
    ]) { tree in
      let usage = try #require(
        tree.usage("/" + Self.group, "cpuacct", "cpu", "memory", "name=systemd"))
      let tick = 1_000_000_000 / UInt64(sysconf(Int32(_SC_CLK_TCK)))
      #expect(usage.cpuTime == 5000 && usage.userTime == 3 * tick && usage.systemTime == 2 * tick)
      #expect(usage.throttledPeriods == 4 && usage.throttledTime == 7)
      #expect(usage.memory == 100 && usage.memoryPeak == 200 && usage.swap == 5)
      #expect(usage.anonymousMemory == 10 && usage.fileCache == 20)
      #expect(usage.kernelMemory == 30 && usage.kernelMemoryPeak == 40)
      #expect(usage.processes.keys.sorted() == [7])
      #expect(usage.identity != nil)
    }
  }

  @Test func onAHybridHostVersionOneHasWhatVersionTwoLacks() async throws {
    try await self.withTree([
      "2/\(Self.group)/cpu.stat": "usage_usec 3\nuser_usec 2\nsystem_usec 1\n",
      "2/\(Self.group)/cgroup.procs": "7\n", "proc/7/stat": Self.stat(7),
      "cpuacct/\(Self.group)/cpuacct.usage": "1\n", "cpu/\(Self.group)/cpu.stat": "nr_throttled 4\n",
      "memory/\(Self.group)/memory.usage_in_bytes": "100\n",
    ]) { tree in
      let usage = try #require(tree.usage("/" + Self.group, "2", "cpuacct", "cpu", "memory"))
      #expect(usage.cpuTime == 3000 && usage.throttledPeriods == 4 && usage.memory == 100)
      #expect(usage.processes.count == 1)
    }
  }

  @Test func processesOfAllGroupsBelow() async throws {
    var files = ["2/\(Self.group)/cpu.stat": Self.cpuOfVersion2, "2/\(Self.group)/cgroup.procs": ""]
    let group = "2/\(Self.group)"
    for (number, directory) in [1: group, 2: "\(group)/x", 3: "\(group)/x/y", 4: "\(group)/z"] {
      files["\(directory)/cgroup.procs"] = "\(number)\n"
      files["proc/\(number)/stat"] = Self.stat(number)
    }
    try await self.withTree(files) { tree in
      let usage = try #require(tree.usage("/" + Self.group, "2"))
      #expect(usage.processes.keys.sorted() == [1, 2, 3, 4])
      // The kernel has counted those below already.
      #expect(usage.cpuTime == 3_000_000)
    }
  }

  @Test func whatIsReadIsBounded() async throws {
    try await self.withTree(["2/\(Self.group)/cpu.stat": Self.cpuOfVersion2]) { tree in
      let group = "2/\(Self.group)"
      for number in 1...OpenControlGroup.processLimit + 10 {
        try tree.write(["proc/\(number)/stat": Self.stat(number)])
      }
      let numbers = (1...100_000).map { "\($0)\n" }.joined()
      try tree.write(["\(group)/cgroup.procs": numbers])
      let flat = try #require(tree.usage("/" + Self.group, "2"))
      #expect(flat.processes.count == OpenControlGroup.processLimit)

      try tree.write(["\(group)/cgroup.procs": ""])
      for index in 0..<OpenControlGroup.groupLimit + 10 {
        try tree.write(["\(group)/g\(index)/cgroup.procs": index == 0 ? "1\n" : ""])
      }
      let deep = String(repeating: "d/", count: ControlGroupPath.maximumDepth + 5)
      try tree.write(["\(group)/\(deep)cgroup.procs": "2\n"])
      _ = try #require(tree.usage("/" + Self.group, "2"))
    }
  }

  @Test func linksAreNotFollowed() async throws {
    let files = ["outside/cpu.stat": Self.cpuOfVersion2, "2/real/memory.current": "5\n"]
    try await self.withTree(files) { tree in
      let manager = FileManager.default
      func link(_ path: String, to target: String) throws {
        try manager.createSymbolicLink(
          atPath: "\(tree.directory)/\(path)", withDestinationPath: "\(tree.directory)/\(target)")
      }
      try link("2/group", to: "outside")
      #expect(tree.usage("/group", "2") == nil)
      try link("2/real/cpu.stat", to: "outside/cpu.stat")
      let usage = try #require(tree.usage("/real", "2"))
      #expect(usage.memory == 5 && usage.cpuTime == nil)
    }
  }

  @Test func aGroupMadeAnewIsAnother() async throws {
    try await self.withTree(["2/\(Self.group)/cpu.stat": Self.cpuOfVersion2]) { tree in
      let first = try #require(tree.usage("/" + Self.group, "2"))
      #expect(tree.usage("/" + Self.group, "2")?.identity == first.identity)
      // The old one stays until the new one is there, so that its number is not used again.
      try FileManager.default.moveItem(
        atPath: "\(tree.directory)/2/\(Self.group)", toPath: "\(tree.directory)/old")
      try tree.write(["2/\(Self.group)/cpu.stat": Self.cpuOfVersion2])
      #expect(tree.usage("/" + Self.group, "2")?.identity != first.identity)
    }
  }
}
