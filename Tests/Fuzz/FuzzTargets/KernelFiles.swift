@testable import ControlGroups
@testable import ExecHelper
@testable import Processes

@testable import Systemd
@testable import SystemdDriver

extension FuzzTarget {
  static let controlGroup = FuzzTarget(
    "control-group",
    seeds: [
      "/system.slice/web.service", "/", "/a/../b", "/a//b", "/x/\u{301}/y", "/../\u{301}etc",
      "0::/system.slice/web.service\n5:cpu,memory:/x\n1:name=systemd:/y:z\n",
      "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
        + "31 23 0:27 /a\\040b /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n",
    ],
    words: [
      "/..", "/.", "//", "\\057", "\\056\\056", " - cgroup2 ", "name=systemd", "/\u{301}", "user.slice", "::",
    ]
  ) { input in
    let text = text(input)
    if let path = ControlGroupPath(text) { try holdStaysInside(path, text) }
    let mounts = ControlGroupMounts(mountinfo: input)
    for mount in [mounts.unified].compactMap({ $0 }) + mounts.controllers.values {
      try holdStaysInside(mount.root, nil)
    }
    let membership = ControlGroupMembership(input)
    let inside = ControlGroupMembership(Array("0::/a/".utf8) + input.prefix { $0 != UInt8(ascii: "\n") })
    try hold(inside.isInside("/a") && !inside.isInside("/b"), "a group in another is not inside of it")
    try hold(
      !membership.isInside("/") && !membership.isInside("x"),
      "processes are inside of what is no unit's group")
    for name in ProtectedUnits.names(inControlGroups: text) {
      try hold((try? UnitName(name))?.name == name, "\(name) is no unit")
    }
  }

  private static func holdStaysInside(_ path: ControlGroupPath, _ text: String?) throws {
    for name in path.components.map({ Array($0.utf8) }) {
      let isOne = (1...255).contains(name.count) && !name.contains { $0 == 0 || $0 == UInt8(ascii: "/") }
      try hold(isOne && name != Array(".".utf8) && name != Array("..".utf8), "\(path) leads elsewhere")
    }
    try hold(path.components.count <= ControlGroupPath.maximumDepth, "\(path) is deep")
    if let text {
      try hold("/" + path.components.joined(separator: "/") == text, "\(path) is not what was written")
    }
  }

  static let kernelFile = FuzzTarget(
    "kernel-file",
    seeds: [
      "18446744073709551615\n", "usage_usec 17\nuser_usec 9\n", "1\n2\n\nx\n18446744073709551616\n",
      "17 (a) b) S 1 17 17 0 -1 4194304 105 0 0 0 1 2 0 0 20 0 1 0 5555 0 0",
      "Name:\tsh\nUmask:\t0022\nUid:\t0\t0\t0\t0\nGid:\t0\t0\nGroups:\t0 5\nCapBnd:\t000001ffffffffff\nNoNewPrivs:\t1\n",
    ],
    words: ["usage_usec ", "\n", ") S ", "Umask:\t", "Uid:\t", "CapBnd:\t", "Groups:\t", "4294967296", "max"]
  ) { input in
    let numbers = KernelNumbers(input)
    for number in numbers.all {
      let line = Array("\(number)".utf8)
      let isThere = input.split(separator: UInt8(ascii: "\n")).contains {
        $0.drop { $0 == UInt8(ascii: "0") }.elementsEqual(line.drop { $0 == UInt8(ascii: "0") })
      }
      try hold(isThere, "\(number) is not in the file")
    }
    if let first = numbers.first { try hold(numbers.all.first == first, "\(first) is not the first number") }
    let single = KernelNumbers(Array("x 1\n".utf8) + Array("usage_usec 5\n".utf8) + input)
    try hold(single["usage_usec"] == 5, "what follows a line changes it")
    _ = numbers["usage_usec"]
    if let stat = ProcessStat(input) { _ = [2, 4, 22, 99].map(stat.number) }
    _ = ProcessCredentials(status: input)
  }

  static let execEnvironment = FuzzTarget(
    "exec-environment", seeds: ["PATH=/bin\0A=\0A=2\0=x\0title\0", "LD_PRELOAD=/x.so\0\0\0B=a=b"],
    words: ["=", "\0", "PATH=", "LD_PRELOAD=", "\u{301}"]
  ) { input in
    var environment = ExecEnvironment()
    environment.add(environ: input)
    var names: Set<[UInt8]> = []
    for entry in environment.entries {
      guard let equals = entry.firstIndex(of: UInt8(ascii: "=")), equals > entry.startIndex,
        !entry.contains(0)
      else {
        throw FuzzFailure(description: "an entry is no variable: \(text(entry))")
      }
      try hold(names.insert(Array(entry[..<equals])).inserted, "a variable is there twice: \(text(entry))")
    }
    var again = ExecEnvironment()
    again.add(environ: Array(environment.entries.joined(separator: [0])))
    try hold(again.entries.elementsEqual(environment.entries), "it is another when it is written and read")

    let words = parts(input).map { text($0) }
    let variables = Dictionary(zip(words, words.dropFirst())) { first, _ in first }
    let (command, entries) = ExecHelper.command(
      program: "/p", words, in: .process(7, controlGroup: "/a", userID: 8), variables: variables)
    // None may mean anything to the loader of the helper itself, which is root's.
    try hold(
      entries.allSatisfy { $0.first == UInt8(ascii: "+") && !$0.contains(0) }, "a variable reaches the helper"
    )
    try hold(command.arguments.suffix(words.count) == words[...], "the words of the command are others")
    var arguments = words[...]
    if let context = ExecContext(arguments: &arguments) {
      var read = (context.arguments + ["x"])[...]
      try hold(
        ExecContext(arguments: &read) == context && read == ["x"], "the context is another when it is written"
      )
    }
  }
}
