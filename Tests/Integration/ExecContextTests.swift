import GoPlugin
import Foundation
import MessagePack
import NomadPlugin
import NomadTestSupport
import Processes
import TestHelpers
import Testing

/// Where a command in a task runs: as if it belonged to the unit.
@Suite(.needsSystemd, .limitedParallelism) struct ExecContextTests {
  /// What a command sees, beside what the main process has.
  private func expectContext(of task: RunningTask) async throws {
    let main = try await task.mainProcess
    let namespaces = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"]
    let script = "for i in \(namespaces.joined(separator: " ")); do readlink /proc/self/ns/$i; done"
    let inside = try await task.output("/bin/sh", "-c", script)
    let outside = try namespaces.map {
      try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(main)/ns/\($0)")
    }
    #expect(inside.split(separator: "\n").map(String.init) == outside)
    // cgroup v1: when systemd first needs a controller it moves processes that run.
    try await eventually("the same control groups") {
      let group = try await task.output("/bin/cat", "/proc/self/cgroup")
      return try group + "\n" == String(contentsOfFile: "/proc/\(main)/cgroup", encoding: .utf8)
    }
    let directory = try await task.output("/bin/pwd")
    try await task.expect(directory, from: "/bin/readlink", "/proc/self/cwd")
    for name in ["Uid", "Gid", "Groups", "Umask", "CapBnd", "NoNewPrivs"] {
      func value(_ status: String) -> String? {
        status.split(separator: "\n").first { $0.hasPrefix("\(name):") }.map {
          $0.split { " \t".contains($0) }.joined(separator: " ")
        }
      }
      // Both as seen in the unit's namespace of users.
      let inside = value(try await task.output("/bin/cat", "/proc/self/status"))
      let outside = value(try await task.output("/bin/cat", "/proc/\(main)/status"))
      #expect(inside == outside, "\(name)")
    }
    let limits = try await task.output("/bin/cat", "/proc/self/limits")
    try await task.expect(limits, from: "/bin/cat", "/proc/\(main)/limits")
    let score = try await task.output("/bin/cat", "/proc/self/oom_score_adj")
    #expect(try score + "\n" == String(contentsOfFile: "/proc/\(main)/oom_score_adj", encoding: .utf8))
  }

  /// Anybody in a unit may be able to start one with an environment of their own; sudo becomes root before it looks at what
  /// is to be run.
  @Test func aSetUserIDProgramThatHasBecomeRoot() async throws {
    // In /run such programs are started without the right to.
    let program = "/opt/setpriv-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: "/opt", withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: Executable.find("setpriv"), toPath: program)
    defer { unlink(program) }
    #expect(chmod(program, 0o4755) == 0)
    let unit = try await Units.install(
      "[Service]", "User=nobody", "ExecStart=\(program) --reuid=0 /bin/sleep infinity")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        let main = try await task.mainProcess
        try await eventually("root") {
          try String(contentsOfFile: "/proc/\(main)/status", encoding: .utf8).contains("Uid:\t0\t0\t0\t0")
        }
        let error = await #expect(throws: DriverError.self) { try await task.output("/bin/id") }
        #expect(
          error?.description.contains("changes its user (now 0, the unit's is") == true, "\(error as Any)")
      }
    }
  }

  @Test(arguments: [
    [],
    ["PrivateTmp=yes"],
    ["PrivateNetwork=yes", "ProtectHostname=yes"],
    ["PrivateIPC=yes", "WorkingDirectory=/usr"],
    ["User=nobody", "Group=daemon", "SupplementaryGroups=adm games", "UMask=0027", "LimitNOFILE=77:99"],
    ["DynamicUser=yes"],
    ["User=nobody", "PrivateUsers=yes"],
    ["PrivateUsers=yes"],
    ["CapabilityBoundingSet=CAP_CHOWN CAP_KILL", "NoNewPrivileges=yes", "OOMScoreAdjust=321"],
    ["PrivateDevices=yes", "ProtectSystem=strict", "ProtectHome=yes", "ReadOnlyPaths=/var"],
  ])
  func theUnitsOwn(_ options: [String]) async throws {
    let unit = try await Units.install(
      (["[Service]", "ExecStart=/bin/sleep infinity"] + options).joined(separator: "\n"))
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { try await self.expectContext(of: $0) }
    }
  }

  @Test func privateFilesAndNetwork() async throws {
    let unit = try await Units.install(
      "[Service]", "PrivateTmp=yes", "PrivateNetwork=yes",
      "ExecStart=/bin/sh -c 'echo secret > /tmp/NAME; exec sleep infinity'")
    let name = unit.replacingOccurrences(of: ".service", with: "")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        try await eventually("the file") {
          try await task.exec("/bin/cat", "/tmp/\(name)").stdout == Array("secret\n".utf8)
        }
        #expect(!FileManager.default.fileExists(atPath: "/tmp/\(name)"))
        let devices = try await task.output("/bin/cat", "/proc/self/net/dev")
        #expect(devices.split(separator: "\n").count == 3, "only the loopback device: \(devices)")
      }
    }
  }

  /// A root with one program of its own, and none of those that make contexts.
  @Test func aRootOfItsOwn() async throws {
    let root = "/run/root-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: root) }
    for directory in ["bin", "proc", "dev", "data"] {
      try FileManager.default.createDirectory(
        atPath: "\(root)/\(directory)", withIntermediateDirectories: true)
    }
    let libraries = ["/lib", "/lib64", "/usr/lib"].filter { FileManager.default.fileExists(atPath: $0) }
    for directory in libraries {
      try FileManager.default.createDirectory(atPath: root + directory, withIntermediateDirectories: true)
    }
    for program in ["sleep", "cat", "pwd", "ls"] {
      try FileManager.default.copyItem(
        atPath: URL(fileURLWithPath: "/bin/\(program)").resolvingSymlinksInPath().path,
        toPath: "\(root)/bin/\(program)")
    }
    try Data("inside\n".utf8).write(to: URL(fileURLWithPath: "\(root)/data/file"))
    let unit = try await Units.install(
      // systemd's own PATH has no /bin since version 256 or so.
      "[Service]", "Environment=PATH=/bin", "RootDirectory=\(root)",
      "BindReadOnlyPaths=\(libraries.joined(separator: " "))",
      "WorkingDirectory=/data", "User=nobody", "ExecStart=/bin/sleep infinity")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        try await task.expect("inside", from: "cat", "file")
        try await task.expect("/data", from: "pwd")
        try await task.expect("cat\nls\npwd\nsleep", from: "ls", "/bin")
        let missing = try await task.exec("/bin/sh", "-c", "true")
        #expect(missing.exitResult == ExitResult(exitCode: 127))
        #expect(String(decoding: missing.stderr, as: UTF8.self).contains("/bin/sh"))
      }
    }
  }

  /// With controllers of version 2 a group that has groups can have no processes (cgroups(7)).
  @Test func aSliceWithAUnitInIt() async throws {
    let slice = "s\(UInt32.random(in: 0...UInt32.max)).slice"
    try Units.write(["[Slice]", "MemoryAccounting=yes"], to: slice)
    let unit = try await Units.install("[Service]", "Slice=\(slice)", "ExecStart=/bin/sleep infinity")
    try await Units.systemctl("start", unit)
    let group = try await Units.property("ControlGroup", of: slice)
    let controllers = try? String(
      contentsOfFile: "/sys/fs/cgroup\(group)/cgroup.subtree_control", encoding: .utf8)
    try await Nomad.run { nomad in
      try await nomad.withTask(slice) { task in
        if controllers?.contains("memory") == true {
          let error = await #expect(throws: DriverError.self) { try await task.exec("/bin/echo", "x") }
          #expect(
            error?.description.contains("can hold no processes") == true, "\(String(describing: error))")
        } else {
          let result = try await task.exec("/bin/echo", "x")
          #expect(result.exitResult == ExitResult(exitCode: 0))
        }
      }
    }
  }

  /// A unit whose main process is the first one in a namespace of processes.
  private static func unitInNamespaces(_ options: String) async throws -> String {
    try await Units.install(
      "[Service]", "Type=forking", "PIDFile=/run/NAME.pid",
      "ExecStart=/bin/sh -c 'unshare \(options) --fork --kill-child sleep infinity & p=$!; until c=$(tr -d \" \" < /proc/$p/task/$p/children) && test $c; do sleep 0.01; done; until test $(cat /proc/$c/comm) = sleep; do sleep 0.01; done; echo $c > /run/NAME.pid'"
        .replacingOccurrences(of: "$", with: "$$"))
  }

  /// Expects of a shell on a terminal of 30 rows and 100 columns that Ctrl-C ends a program, and not the shell.
  private func expectControlC(
    _ session: ExecSession, _ first: String, _ program: String, in task: RunningTask
  ) async throws {
    session.type("\(first); \(program)\n")
    try await session.shows("30 100")
    try await eventually("the program that Ctrl-C is to end") {
      let processes = try await task.output("/bin/sh", "-c", "cat /proc/*/cmdline | tr '\\0' ' '")
      return processes.contains(program)
    }
    session.type("\u{3}echo on$((1+1))\n")
    try await session.shows("on2")
  }

  /// In a namespace of users nobody can take a terminal from another session.
  @Test func aTerminalInANamespaceOfUsersAndProcesses() async throws {
    let unit = try await Self.unitInNamespaces("--user --map-root-user --pid")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        let session = try await ExecSession.run("/bin/sh", in: task, size: (30, 100)) { session in
          try await self.expectControlC(session, "stty size", "sleep 603", in: task)
          session.type("exit 3\n")
        }
        #expect(session.result.exitCode == 3)
      }
    }
  }

  /// The main process is in a namespace of processes, in which the command has a number of its own.
  @Test func aNamespaceOfProcesses() async throws {
    let unit = try await Self.unitInNamespaces("--pid --mount-proc")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        try await task.expect("sleep", from: "/bin/cat", "/proc/1/comm")
        try await task.expect("2", from: "/bin/sh", "-c", "test $$ -lt 100; ps -o pid= -o sid= -p $$ | wc -w")
        let killed = try await task.exec("/bin/sh", "-c", "kill -USR1 $$")
        #expect(killed.exitResult == ExitResult(exitCode: 138, signal: 10))
        let exited = try await task.exec("/bin/sh", "-c", "exit 9")
        #expect(exited.exitResult == ExitResult(exitCode: 9))
        try await ExecSession.run("/bin/sh", in: task, size: (30, 100)) { session in
          try await self.expectControlC(session, "stty size; tty", "sleep 600", in: task)
          session.type("exit 3\n")
        }
        await #expect(throws: DriverError.self) {
          try await task.exec("/bin/sh", "-c", "sleep 601 & sleep 601", timeout: .milliseconds(300))
        }
        try await eventually("the end of all that the command has started") {
          try await !task.output("/bin/sh", "-c", "cat /proc/*/cmdline | tr '\\0' ' '").contains("sleep 601 ")
        }
        // Its last one is left by the leader of the session, which is gone.
        await #expect(throws: DriverError.self) {
          try await task.exec(
            "/bin/sh", "-c", "trap 'sleep 602 & exit' TERM; while :; do sleep 0.05; done",
            timeout: .milliseconds(300))
        }
        try await eventually("the end of what it has left") {
          try await !task.output("/bin/sh", "-c", "cat /proc/*/cmdline | tr '\\0' ' '").contains("sleep 602 ")
        }
      }
    }
  }

  @Test(
    .enabled(
      if: FileManager.default.fileExists(atPath: "/sys/fs/cgroup/cgroup.controllers"), "needs cgroup v2"))
  func aDelegatedUnit() async throws {
    let unit = try await Units.install(
      "[Service]", "Delegate=yes",
      "ExecStart=/bin/sh -ec 'g=/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup); mkdir $g/main; "
        .replacingOccurrences(of: "$", with: "$$")
        + "echo $$$$ > $$g/main/cgroup.procs; echo +pids > $$g/cgroup.subtree_control || :; exec sleep infinity'"
    )
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        let main = try await task.mainProcess
        try await eventually("the group below") {
          try String(contentsOfFile: "/proc/\(main)/comm", encoding: .utf8) == "sleep\n"
        }
        let group = try await task.output("/bin/cat", "/proc/self/cgroup")
        #expect(group.hasSuffix("\(unit)/main"), "\(group)")
      }
    }
  }

  @Test func theEnvironment() async throws {
    let unit = try await Units.install(
      "[Service]", "Environment=OWN=unit BOTH=unit LD_LIBRARY_PATH=/nowhere", "User=nobody",
      #"ExecStart=/bin/bash -c 'ODD=$$(printf "\\377 two") exec sleep infinity'"#)
    let allocation = try Allocation(unit: unit)
    defer { allocation.remove() }
    var config = allocation.config
    config.environment = ["BOTH": "nomad", "NOMAD_TASK": "main", "A=B": "no", "LD_PRELOAD": ""]
    let task = config
    try await Nomad.run { nomad in
      _ = try await nomad.calls.startTask(task)
      try await eventually("the variable that the main process has set") {
        try await nomad.calls.execTask(task.id, command: ["printenv", "ODD"], timeout: .seconds(300))
          .exitResult.exitCode == 0
      }
      let result = try await nomad.calls.execTask(task.id, command: ["env", "-0"], timeout: .seconds(300))
      let entries = result.stdout.split(separator: 0)
      let lines = Set(entries.map { String(decoding: $0, as: UTF8.self) })
      for line in [
        "OWN=unit", "BOTH=unit", "NOMAD_TASK=main", "LD_LIBRARY_PATH=/nowhere", "LD_PRELOAD=", "USER=nobody",
      ] { #expect(lines.contains(line), "\(line) in \(lines)") }
      #expect(entries.contains { $0.elementsEqual(Array("ODD=".utf8) + [0xff] + Array(" two".utf8)) })
      #expect(!lines.contains { $0.hasPrefix("\(cookie.key)=") || $0.hasPrefix("A=") || $0.contains("+") })
      try await nomad.calls.destroyTask(task.id, force: true)
    }
  }

  @Test func aUnitWithoutAMainProcess() async throws {
    let unit = try await Units.install(
      "[Service]", "Type=oneshot", "RemainAfterExit=yes", "ExecStart=/bin/true", "User=nobody",
      "Group=daemon", "SupplementaryGroups=games", "WorkingDirectory=/usr")
    let socket = try await Units.install("[Socket]", "ListenStream=/run/NAME.sock", suffix: "socket")
    try Units.write(
      ["[Service]", "ExecStart=/bin/true"], to: socket.replacingOccurrences(of: ".socket", with: ".service"))
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        try await task.expect("nobody", from: "id", "-un")
        try await task.expect("daemon", from: "id", "-gn")
        let groups = try await task.output("id", "-Gn")
        #expect(groups.contains("games"))
        try await task.expect("/usr", from: "pwd")
        try await task.expect("nobody", from: "sh", "-c", "echo $USER")
        try await task.expect(
          try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/mnt"), from: "readlink",
          "/proc/self/ns/mnt")
      }
      try await nomad.withTask(socket) { task in
        try await task.expect("0", from: "id", "-u")
        try await task.expect("/", from: "pwd")
        let group = try await task.output("/bin/cat", "/proc/self/cgroup")
        let plugin = try String(contentsOfFile: "/proc/\(nomad.pluginProcess)/cgroup", encoding: .utf8)
        #expect(group + "\n" != plugin || !group.contains(socket))
      }
    }
  }

  /// Before systemd has started the program, the main process is root's, and on the host.
  @Test func aProgramThatIsYetToStart() async throws {
    let unit = try await Units.install(
      "[Service]", "User=nobody", "PrivateTmp=yes", "StandardInput=file:/run/NAME.fifo",
      "ExecStart=/bin/sleep infinity")
    let fifo = "/run/\(unit.replacingOccurrences(of: ".service", with: "")).fifo"
    defer { unlink(fifo) }
    try #require(mkfifo(fifo, 0o600) == 0)
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        let main = try await task.mainProcess
        // systemd waits for a writer.
        try await eventually("the set-up") {
          try String(contentsOfFile: "/proc/\(main)/comm", encoding: .utf8) == "(sleep)\n"
        }
        async let name = task.output("id", "-un")
        try await eventually("the helper, which has taken hold of the process") {
          nomad.childProcesses.contains { self.openFiles(of: $0).contains("/proc/\(main)") }
        }
        let writer = open(fifo, O_WRONLY | O_CLOEXEC)
        defer { close(writer) }
        let user = try await name
        #expect(user == "nobody")
      }
    }
  }

  private func openFiles(of process: String) -> [String] {
    let directory = "/proc/\(process)/fd"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
    return names.compactMap {
      try? FileManager.default.destinationOfSymbolicLink(atPath: "\(directory)/\($0)")
    }
  }

  /// A unit between two runs has no context: the host's is not where its commands belong.
  @Test func aUnitThatIsBetweenTwoRuns() async throws {
    let unit = try await Units.install(
      "[Service]", "Restart=always", "RestartSec=1h", "ExecStart=/bin/sh -c 'sleep 0.1; exit 1'")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        try await eventually("auto-restart") {
          try await Units.property("SubState", of: unit) == "auto-restart"
        }
        let error = await #expect(throws: DriverError.self) { try await task.exec("id") }
        #expect(error?.description.contains("no main process") == true, "\(String(describing: error))")
      }
    }
  }

  @Test func whereThereIsNoExec() async throws {
    for (configuration, reason) in [
      (["exec": ["enabled": false]], "exec { enabled = false }"),
      (["command_prefix": ["/usr/bin/env"]], "command_prefix"),
    ] as [([String: MessagePackValue], String)] {
      let entries = configuration.map { MessagePackValue.MapEntry(key: .string($0.key), value: $0.value) }
      try await Nomad.run(.map(entries)) { nomad in
        let fingerprint = try await nomad.firstFingerprint()
        #expect(fingerprint.attributes["driver.systemd.exec"] == false)
        #expect(fingerprint.healthDescription.contains(reason))
        let capabilities = try await nomad.calls.capabilities()
        #expect(!capabilities.exec)
        try await nomad.withTask(try await Units.make("t-sleep")) { task in
          let error = await #expect(throws: DriverError.self) { try await task.exec("id") }
          #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
        }
      }
    }
    try await Nomad.run { nomad in
      let fingerprint = try await nomad.firstFingerprint()
      #expect(fingerprint.attributes["driver.systemd.exec"] == true)
    }
  }
}
