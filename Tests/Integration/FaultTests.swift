import MessagePack
import Foundation
import GRPCCore
import NomadPlugin
import NomadTestSupport
import Processes
import TestHelpers
import Testing

/// What the plugin depends on fails, and is well again: what cannot be done is told, what runs runs on, and afterwards all
/// is as it should be.
@Suite(.needsSystemd, .limitedParallelism) struct FaultTests {
  /// A program in place of systemctl or journalctl, which is that until a fault begins.
  private struct FaultyProgram {
    let path: String
    private let fault: String

    /// Gives the program to `body`.
    static func with<R>(_ name: String, _ body: (FaultyProgram) async throws -> R) async throws -> R {
      let fault = "\(NSTemporaryDirectory())/fault-\(UUID().uuidString)"
      defer {
        unlink(fault)
        unlink("\(fault).seen")
      }
      let script = "fault=\(fault); if test -e $fault; then eval \"$(cat $fault)\"; fi; exec \(name) \"$@\""
      return try await withScript(script) { try await body(FaultyProgram(path: $0, fault: fault)) }
    }

    /// From now on it does what a script of sh(1) says instead, which can end the fault by removing the file `$fault`.
    func begin(_ script: String) throws {
      try Data(script.utf8).write(to: URL(fileURLWithPath: self.fault), options: .atomic)
    }

    func end() { unlink(self.fault) }

    /// From now on it hangs until the fault ends. Waits until it does.
    func hang() async throws {
      try self.begin("touch $fault.seen; while test -e $fault; do sleep 0.02; done")
      try await eventually("a command that hangs") {
        FileManager.default.fileExists(atPath: "\(self.fault).seen")
      }
    }
  }

  private static let troubles = [
    "exit 1", "echo rubbish; exit 0", "exec head -c \(rubbishSize) /dev/zero", "exit 0", "kill -SEGV $$",
  ]
  /// Checked by AddressSanitizer the plugin is not fast enough for more.
  private static let rubbishSize =
    ProcessInfo.processInfo.environment["ASAN_OPTIONS"] == nil ? 100_000_000 : 20_000_000

  /// Starts a unit of its own as a task, and stops it.
  private func expectService(by nomad: Nomad) async throws {
    let fingerprint = try await nomad.firstFingerprint()
    #expect(fingerprint.health == .healthy)
    let unit = try await Units.make("t-term")
    try await nomad.withTask(unit) { task in
      try await eventually("a line") { task.allocation.lines == ["ready"] }
      try await task.calls.stopTask(task.id, timeout: .seconds(300))
      let exitCode = try await task.wait().exitCode
      #expect(exitCode == 0)
      let lines = try await task.allocation.allLines()
      #expect(lines == ["ready", "got TERM"])
    }
  }

  // MARK: The clock

  /// When the task starts, the wall clock is another than it is for journald afterwards, as where somebody sets it.
  @Test(
    .enabled(
      if: FileManager.default.isReadableFile(atPath: Self.clockShift),
      "make interop builds the library, from C"),
    arguments: [3600, -3600])
  func theClockIsSet(seconds: Int) async throws {
    let unit = try await Units.make("t-lines")
    // Lines of another run are not the task's.
    try await Units.systemctl("start", "--wait", unit)
    let launcher = [Executable.find("env"), "LD_PRELOAD=\(Self.clockShift)", "CLOCK_SHIFT=\(seconds)"]
    try await Nomad.run(through: launcher) { nomad in
      try await nomad.withTask(unit) { task in
        let exitCode = try await task.wait().exitCode
        #expect(exitCode == 0)
        let lines = try await task.allocation.allLines()
        #expect(lines == ["line 1", "line 2", "line 3"])
      }
    }
  }

  private static let clockShift = "\(packageDirectory)/.build/interop/clock-shift.so"

  // MARK: systemctl

  /// The unit is killed all the same.
  @Test func aStopThatHangs() async throws {
    try await FaultyProgram.with("systemctl") { systemctl in
      try await Nomad.run(["systemctl_path": .string(systemctl.path)]) { nomad in
        try await nomad.withTask(try await Units.make("t-stubborn")) { task in
          try await eventually("the unit's trap") { task.allocation.lines.contains("ready") }
          try systemctl.begin(
            "for word; do test $word = stop && exec sleep infinity; done; exec systemctl \"$@\"")
          try await task.calls.stopTask(task.id, timeout: .milliseconds(100))
          let exitCode = try await task.wait().exitCode
          #expect(exitCode == 137)
          systemctl.end()
          try await self.expectService(by: nomad)
        }
        try await eventually("the end of all children") { nomad.childProcesses.isEmpty }
      }
    }
  }

  /// A unit fails, and somebody makes systemd forget that, while nobody can look.
  @Test func systemctlHangsWhileAUnitFails() async throws {
    let unit = try await Units.make("t-sleep")
    try await FaultyProgram.with("systemctl") { systemctl in
      try await Nomad.run(["systemctl_path": .string(systemctl.path)]) { nomad in
        try await nomad.withTask(unit) { task in
          _ = try await task.inspect()
          // Looks come one after the other: no other one is under way now.
          try await systemctl.hang()
          try await Units.systemctl("kill", "--signal=KILL", unit)
          try await eventually("the failure") {
            try await Units.property("ActiveState", of: unit) == "failed"
          }
          try await Units.systemctl("reset-failed", unit)
          // Longer than a look may take without the unit counting as unwatched.
          try await Task.sleep(for: .seconds(3))
          let state = try await task.inspect().state
          #expect(state == .running)
          systemctl.end()
          let result = try await task.wait()
          #expect(result.exitCode == 137 && result.signal == 9, "\(result)")
        }
        try await self.expectService(by: nomad)
      }
    }
  }

  @Test(arguments: troubles) func systemctl(trouble: String) async throws {
    let other = try await Units.make("t-sleep")
    try await FaultyProgram.with("systemctl") { systemctl in
      try await Nomad.run(["systemctl_path": .string(systemctl.path), "poll_interval": "100ms"]) { nomad in
        try await nomad.withTask(try await Units.make("t-counter")) { task in
          try systemctl.begin(trouble)
          let allocation = try Allocation(unit: other)
          defer { allocation.remove() }
          let start = await #expect(throws: DriverError.self) {
            try await nomad.calls.startTask(allocation.config)
          }
          #expect(start?.description.contains("systemctl show") == true, "\(String(describing: start))")
          let stop = await #expect(throws: DriverError.self) {
            try await task.calls.stopTask(task.id, timeout: .seconds(300))
          }
          #expect(stop?.description.contains("systemctl ") == true, "\(String(describing: stop))")
          let fingerprint = try await nomad.firstFingerprint()
          #expect(fingerprint.health == .unhealthy && !fingerprint.healthDescription.isEmpty)
          let state = try await task.inspect().state
          #expect(state == .running)
          let count = task.allocation.lines.count
          try await eventually("more lines") { task.allocation.lines.count > count + 20 }
          #expect(nomad.residentKilobytes < 150_000)
          systemctl.end()
          #expect(try await Units.property("ActiveState", of: other) == "inactive")
          try await self.expectService(by: nomad)
          try await task.calls.stopTask(task.id, timeout: .seconds(300))
          let exitCode = try await task.wait().exitCode
          #expect(exitCode == 0)
        }
        try await eventually("the end of all children") { nomad.childProcesses.isEmpty }
      }
    }
  }

  /// What is asked for several tasks at once fails, as it may since one of their units is odd: each is asked for alone.
  @Test func aLookForSeveralTasks() async throws {
    try await FaultyProgram.with("systemctl") { systemctl in
      try await Nomad.run(["systemctl_path": .string(systemctl.path)]) { nomad in
        // The first ones take so long that those after them are asked for together.
        try systemctl.begin(
          """
          case "$*" in *" show "*" -- "*" "*) echo rubbish; exit 0;; *" show "*) sleep 0.3;; esac
          exec systemctl "$@"
          """)
        try await withThrowingTaskGroup(of: Void.self) { group in
          for _ in 0..<12 {
            group.addTask {
              let allocation = try Allocation(unit: try await Units.make("t-remain"))
              defer { allocation.remove() }
              _ = try await nomad.calls.startTask(allocation.config)
              try await nomad.calls.destroyTask(allocation.config.id, force: true)
            }
          }
          try await group.waitForAll()
        }
      }
    }
  }

  /// Nomad has one stream of the driver's health for as long as both live.
  @Test func theDriverIsWellAgainSoon() async throws {
    try await FaultyProgram.with("systemctl") { systemctl in
      try systemctl.begin("exit 1")
      try await Nomad.run(["systemctl_path": .string(systemctl.path)]) { nomad in
        struct Seen: Error {}
        await #expect(throws: Seen.self) {
          try await nomad.calls.fingerprint { fingerprint in
            if fingerprint.health == .healthy { throw Seen() }
            systemctl.end()
          }
        }
      }
    }
  }

  // MARK: journalctl

  @Test(
    arguments: troubles + [
      "exec yes rubbish", #"exec yes '{"__CURSOR":"--rotate","MESSAGE":[300,null]}'"#, "exec sleep infinity",
    ])
  func journalctl(trouble: String) async throws {
    let unit = try await NumberedLines.install(portion: 10)
    try await FaultyProgram.with("journalctl") { journalctl in
      try await Nomad.run(["journalctl_path": .string(journalctl.path)]) { nomad in
        try await nomad.withTask(unit) { task in
          try await eventually("lines") { task.allocation.lines.count > 100 }
          try journalctl.begin(trouble)
          nomad.killChildren { $0.contains("--follow") }
          try await nomad.warnings.warning(with: "cannot be followed")
          try await nomad.withTask(try await Units.make("t-exit7")) { other in
            let exitCode = try await other.wait().exitCode
            #expect(exitCode == 7)
          }
          let state = try await task.inspect().state
          #expect(state == .running)
          #expect(nomad.residentKilobytes < 150_000)
          #expect(nomad.warnings.all.count < 1000)
          journalctl.end()
          nomad.killChildren { $0.hasPrefix("yes") || $0.hasPrefix("sleep\0infinity") }
          let count = task.allocation.lines.count
          try await eventually("more lines") { task.allocation.lines.count > count + 100 }
          try Units.go(unit)
          _ = try await task.wait()
          let lines = try await task.allocation.allLines()
          #expect(NumberedLines.areComplete(lines))
        }
        try await eventually("the end of all children") { nomad.childProcesses.isEmpty }
      }
    }
  }

  /// systemd forgets the unit when it fails.
  @Test(arguments: [
    #"case "$*" in *--boot*) rm $fault; exit 1;; esac"#, #"case "$*" in *--sync*) exit 1;; esac"#,
  ])
  func anEndThatOnlyTheJournalTells(trouble: String) async throws {
    let unit = try await Units.install(
      "[Unit]", "CollectMode=inactive-or-failed", "[Service]",
      "ExecStart=/bin/sh -c 'until test -e /run/NAME.go; do sleep 0.02; done; exit 7'")
    try await FaultyProgram.with("journalctl") { journalctl in
      try await Nomad.run(["journalctl_path": .string(journalctl.path)]) { nomad in
        try await nomad.withTask(unit) { task in
          try journalctl.begin(trouble)
          try Units.go(unit)
          let exitCode = try await task.wait().exitCode
          #expect(exitCode == 7)
        }
      }
    }
  }

  // MARK: What the machine lacks

  /// No process can be started. The limit binds whoever is not root by the real user and has no capability against it; it
  /// is reached by processes of that user beside the plugin.
  @Test func noProcesses() async throws {
    let user = Int.random(in: 100_000...1_000_000_000)
    let capabilities = "-sys_admin,-sys_resource"
    // TMPDIR is not for programs whose real user is another (ld.so(8)).
    let directory = "\(NSTemporaryDirectory())/sockets-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
    defer { rmdir(directory) }
    let launcher = [
      Executable.find("setpriv"), "--ruid=\(user)", "--bounding-set=\(capabilities)",
      "--inh-caps=\(capabilities)",
      Executable.find("prlimit"), "--nproc=100", Executable.find("env"),
      "PLUGIN_UNIX_SOCKET_DIR=\(directory)",
    ]
    try await Nomad.run(["poll_interval": "100ms"], through: launcher) { nomad in
      try await self.expectShortage(of: nomad, "Resource temporarily unavailable") { body in
        let others = Command(
          executable: Executable.find("setpriv"),
          arguments: [
            "--reuid=\(user)", "--clear-groups", "sh", "-c",
            "for i in $(seq 100); do sleep 3600 & done; echo all; wait",
          ])
        let (reached, reach) = AsyncStream.makeStream(of: Void.self)
        let running = Task {
          _ = try await ProcessCommandRunner(logger: quietLogger).run(others) { _ in reach.finish() }
        }
        for await _ in reached {}
        defer { running.cancel() }
        try await body()
        running.cancel()
        _ = await running.result
      }
    }
  }

  @Test func noDescriptors() async throws {
    try await Nomad.run(["poll_interval": "100ms"]) { nomad in
      try await self.expectShortage(of: nomad, "Too many open files") { body in
        try await self.run("prlimit", "--pid=\(nomad.pluginProcess)", "--nofile=3:")
        try await body()
        try await self.run("prlimit", "--pid=\(nomad.pluginProcess)", "--nofile=4096:")
      }
    }
  }

  /// - Parameter suffer: calls what it is given while the machine lacks something.
  private func expectShortage(
    of nomad: Nomad, _ text: String,
    _ suffer: @Sendable (@Sendable () async throws -> Void) async throws -> Void
  ) async throws {
    let unit = try await NumberedLines.install(portion: 10)
    let other = try await Units.make("t-sleep")
    try await nomad.withTask(unit) { task in
      try await eventually("lines") { task.allocation.lines.count > 100 }
      try await suffer {
        let allocation = try Allocation(unit: other)
        defer { allocation.remove() }
        let start = await #expect(throws: DriverError.self) {
          try await nomad.calls.startTask(allocation.config)
        }
        #expect(start?.description.contains(text) == true, "\(String(describing: start))")
        let stop = await #expect(throws: DriverError.self) {
          try await task.calls.stopTask(task.id, timeout: .seconds(300))
        }
        #expect(stop?.description.contains(text) == true, "\(String(describing: stop))")
        let fingerprint = try await nomad.firstFingerprint()
        #expect(fingerprint.health == .unhealthy && fingerprint.healthDescription.contains(text))
        try await nomad.warnings.warning(with: "Cannot read unit states")
        let state = try await task.inspect().state
        #expect(state == .running)
        let count = task.allocation.lines.count
        try await eventually("more lines") { task.allocation.lines.count > count + 100 }
        // An agent that comes now may have to wait, but not for ever.
        try? await nomad.withAnotherAgent { calls in
          try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { _ = try await calls.pluginInfo() }
            group.addTask { try await Task.sleep(for: .seconds(1)) }
            try await group.next()
            group.cancelAll()
          }
        }
      }
      try await eventually("the driver's health") { try await nomad.firstFingerprint().health == .healthy }
      try await self.expectService(by: nomad)
      let name = try await nomad.withAnotherAgent { try await $0.pluginInfo().name }
      #expect(name == "systemd")
      try Units.go(unit)
      _ = try await task.wait()
      let lines = try await task.allocation.allLines()
      #expect(NumberedLines.areComplete(lines))
    }
    try await eventually("the end of all children") { nomad.childProcesses.isEmpty }
  }

  /// No room for the position in the journal: the logs go on, and once there is room so does a recovery.
  @Test func aFullDisk() async throws {
    let unit = try await NumberedLines.install(portion: 10)
    let directory = "\(NSTemporaryDirectory())/disk-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { rmdir(directory) }
    try await self.run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", directory)
    do {
      let allocation = try Allocation(
        unit: unit, driverConfig: ["unit": .string(unit), "logs": ["lifecycle": false]], in: directory)
      defer { allocation.remove() }
      let filler = "\(directory)/filler"
      try await self.run("sh", "-c", "cat /dev/zero > \(filler) || true")
      let handle = try await Nomad.run { nomad in
        let handle = try await nomad.calls.startTask(allocation.config)
        try await nomad.warnings.warning(with: "No space left on device")
        try await eventually("lines") { allocation.lines.count > 100 }
        unlink(filler)
        let count = allocation.lines.count
        try await eventually("more lines") { allocation.lines.count > count + 100 }
        #expect(nomad.warnings.all.filter { $0.contains("No space left") }.count == 1)
        return handle
      }
      try await Nomad.run { nomad in
        try await nomad.calls.recoverTask(handle)
        try Units.go(unit)
        _ = try await nomad.calls.waitTask(handle.config.id)
        try await nomad.calls.destroyTask(handle.config.id, force: false)
      }
      #expect(NumberedLines.areComplete(try await allocation.allLines()))
    } catch {
      try? await self.run("umount", "--lazy", directory)
      throw error
    }
    try await self.run("umount", "--lazy", directory)
  }

  private func run(_ words: String...) async throws {
    let output = try await ProcessCommandRunner(logger: quietLogger).run(
      Command(
        executable: Executable.find(words[0]), arguments: Array(words.dropFirst()), timeLimit: .seconds(60)))
    #expect(output.result.termination == .exited(0), "\(words)")
  }

  // MARK: Agents

  /// The agent is gone in the midst of calls, and another attaches.
  @Test func anAgentVanishes() async throws {
    try await Nomad.run { nomad in
      try await nomad.withTask(try await Units.make("t-counter")) { task in
        // All that runs for the task runs then.
        try await eventually("a line") { !task.allocation.lines.isEmpty }
        let calls = nomad.childProcesses.count
        try await nomad.withAnotherAgent { agent in
          try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { _ = try? await agent.waitTask(task.id) }
            group.addTask { try? await agent.taskStats(task.id, interval: .seconds(1)) { _ in } }
            group.addTask { try? await agent.taskEvents { _ in } }
            group.addTask { try? await agent.fingerprint { _ in } }
            group.addTask {
              _ = try? await agent.execTask(task.id, command: ["sleep", "infinity"], timeout: .seconds(3600))
            }
            try await eventually("the command") { nomad.childProcesses.count > calls }
            group.cancelAll()
          }
        }
        try await eventually("the end of the command") { nomad.childProcesses.count <= calls }
        try await nomad.withAnotherAgent { agent in
          try await agent.recoverTask(task.handle)
          let state = try await agent.inspectTask(task.id).state
          #expect(state == .running)
          let count = task.allocation.lines.count
          try await eventually("more lines") { task.allocation.lines.count > count + 20 }
          async let end = agent.waitTask(task.id)
          try await agent.stopTask(task.id, timeout: .seconds(300))
          let exitCode = try await end.exitCode
          #expect(exitCode == 0)
        }
      }
    }
  }

  @Test func twoAgentsAtOnce() async throws {
    try await Nomad.run { nomad in
      try await nomad.withAnotherAgent { agent in
        let events = TaskEvents()
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask { try await agent.taskEvents { events.append($0) } }
          let allocation = try Allocation(unit: try await Units.make("t-sleep"))
          defer { allocation.remove() }
          let id = allocation.config.id
          // Both ask for the same: one starts it.
          async let first = try? nomad.calls.startTask(allocation.config)
          async let second = try? agent.startTask(allocation.config)
          let handles = await [first, second].compactMap(\.self)
          #expect(handles.count == 1)
          try await events.event(with: "Started")
          async let firstEnd = nomad.calls.waitTask(id)
          async let secondEnd = agent.waitTask(id)
          async let firstStop: Void = nomad.calls.stopTask(id, timeout: .seconds(300))
          async let secondStop: Void = agent.stopTask(id, timeout: .seconds(300))
          _ = try await (firstStop, secondStop)
          let codes = try await [firstEnd.exitCode, secondEnd.exitCode]
          #expect(codes == [0, 0])
          try await agent.destroyTask(id, force: false)
          await #expect(throws: DriverError.taskNotFound) { try await nomad.calls.inspectTask(id) }
          group.cancelAll()
        }
      }
    }
  }

  /// Two agents of one host, each with its plugin, have the same unit: it is adopted, and its end is both's.
  @Test func twoPluginsWithOneUnit() async throws {
    let unit = try await Units.make("t-counter")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        try await Nomad.run { other in
          try await other.withTask(unit) { otherTask in
            try await eventually("the lines of both") {
              task.allocation.lines.count > 20 && otherTask.allocation.lines.count > 20
            }
            try await other.calls.stopTask(otherTask.id, timeout: .seconds(300))
            let codes = try await [task.wait().exitCode, otherTask.wait().exitCode]
            #expect(codes == [0, 0])
          }
        }
      }
    }
  }

  @Test func theDirectoryOfTheSocketIsRemoved() async throws {
    try await Nomad.run { nomad in
      try nomad.removeSocket()
      // The agent that is attached notices nothing.
      try await self.expectService(by: nomad)
    }
  }

  /// An agent opens streams and does not read them: neither memory nor other calls suffer.
  @Test func streamsThatNobodyReads() async throws {
    try await Nomad.run { nomad in
      try await nomad.withTask(try await Units.make("t-restart")) { task in
        try await nomad.withAnotherAgent { agent in
          try await withThrowingTaskGroup(of: Void.self) { group in
            @Sendable func stop() async throws { try await Task.sleep(for: .seconds(3600)) }
            for number in 0..<1000 {
              group.addTask {
                switch number % 3 {
                case 0:
                  try await agent.taskStats(task.id, interval: .milliseconds(100)) { _ in try await stop() }
                case 1: try await agent.taskEvents { _ in try await stop() }
                default: try await agent.fingerprint { _ in try await stop() }
                }
              }
            }
            defer { group.cancelAll() }
            for _ in 0..<3 { try await self.expectService(by: nomad) }
            #expect(nomad.residentKilobytes < 200_000)
          }
        }
        try await self.expectService(by: nomad)
      }
      try await eventually("the end of all children") { nomad.childProcesses.isEmpty }
    }
  }

  // MARK: Bytes that are no message

  private static let methods: [(service: String, methods: [String])] = [
    (
      "hashicorp.nomad.plugins.drivers.proto.Driver",
      [
        "TaskConfigSchema", "Capabilities", "Fingerprint", "RecoverTask", "StartTask", "WaitTask", "StopTask",
        "DestroyTask", "InspectTask", "TaskStats", "TaskEvents", "SignalTask", "ExecTask",
        "ExecTaskStreaming",
        "Init", "Shutdown", "CreateNetwork", "DestroyNetwork",
      ]
    ),
    ("hashicorp.nomad.plugins.base.proto.BasePlugin", ["PluginInfo", "ConfigSchema", "SetConfig"]),
    ("grpc.health.v1.Health", ["Check", "Watch"]), ("plugin.GRPCController", ["Shutdown"]),
    ("plugin.GRPCStdio", ["StreamStdio"]),
  ]

  @Test func bytesThatAreNoMessage() async throws {
    // A number that does not end, a length without its bytes, a field 0, an end of a group that has not begun, groups
    // that do not end, noise.
    let rubbish: [[UInt8]] = [
      [UInt8](repeating: 0xff, count: 11), [0x0a, 0x7f, 0x01], [0x02, 0x00], [0x0c],
      [UInt8](repeating: 0x0b, count: 100_000), [0x0a, 0xff, 0xff, 0xff, 0xff, 0x07],
      [UInt8](repeating: 0x07, count: 1 << 20),
    ]
    try await Nomad.run { nomad in
      try await nomad.withTask(try await Units.make("t-sleep")) { task in
        for (service, methods) in Self.methods {
          try await withThrowingTaskGroup(of: Void.self) { group in
            for method in methods {
              for bytes in rubbish {
                group.addTask {
                  let error = await #expect(throws: RPCError.self, "\(method) of \(bytes.prefix(8))") {
                    try await nomad.send([bytes], to: method, of: service, limit: .seconds(60))
                  }
                  #expect(
                    error?.code != .deadlineExceeded,
                    "\(method) of \(bytes.prefix(8)): \(String(describing: error))")
                }
              }
              // No message where one is due, and one that has only fields that nobody knows.
              let unknown: [UInt8] = [0xfa, 0x7f, 0x02, 0xff, 0xfe]
              for messages in service == "plugin.GRPCController"
                ? [] : [[], [unknown], [unknown, unknown]] as [[[UInt8]]]
              {
                group.addTask {
                  _ = try? await nomad.send(messages, to: method, of: service, limit: .seconds(2))
                }
              }
            }
            try await group.waitForAll()
          }
        }
        let state = try await task.inspect().state
        #expect(state == .running)
        #expect(nomad.residentKilobytes < 150_000)
        try await self.expectService(by: nomad)
      }
    }
  }
}
