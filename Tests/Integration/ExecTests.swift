import Foundation
import NomadPlugin
import NomadTestSupport
import Synchronization
import TestHelpers
import Testing

/// Commands in tasks: their input, output and ends.
@Suite(.needsSystemd, .limitedParallelism) struct ExecTests {
  private func withTask(_ body: @Sendable (RunningTask) async throws -> Void) async throws {
    try await Nomad.run { nomad in
      try await nomad.withTask(try await Units.make("t-sleep")) { try await body($0) }
    }
  }

  /// A number of seconds to sleep for, by which the sleeping process is known.
  private static func mark() -> String { "1\(Int.random(in: 10_000_000..<99_999_999))" }

  /// Whether there is a process with a word in its command line.
  private static func isRunning(_ word: String) -> Bool { !self.processes(with: word).isEmpty }

  /// Whether a process with a word in its command line is in the foreground of its terminal: of the fields after its name in
  /// proc_pid_stat(5) the third is its group, the sixth that in the foreground.
  private static func hasTerminal(_ word: String) -> Bool {
    self.processes(with: word).contains { process in
      let text = (try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)) ?? ""
      let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
      return fields.count > 5 && fields[2] == fields[5]
    }
  }

  private static func processes(with word: String) -> [String] {
    let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return processes.filter { process in
      guard Int32(process) != nil, let line = FileManager.default.contents(atPath: "/proc/\(process)/cmdline")
      else { return false }
      let words = line.split(separator: 0)
      // The helper has the words as well, before it becomes the command.
      return words.contains { $0.elementsEqual(word.utf8) } && words.first != Data("/proc/self/exe".utf8)
    }
  }

  /// What the kernel counts for the input and output of processes with a word in their command line.
  private static func writtenBytes(by word: String) -> [String] {
    self.processes(with: word).compactMap { try? String(contentsOfFile: "/proc/\($0)/io", encoding: .utf8) }
  }

  // MARK: Ends

  @Test func exitCodes() async throws {
    try await self.withTask { task in
      for status: Int32 in [0, 1, 7, 125, 126, 127, 128, 255] {
        let result = try await task.exec("/bin/sh", "-c", "echo out; echo err >&2; exit \(status)")
        #expect(result.exitResult == ExitResult(exitCode: status))
        #expect(result.stdout == Array("out\n".utf8))
        #expect(result.stderr == Array("err\n".utf8))
      }
      for signal in [SIGKILL, SIGTERM, SIGUSR1] {
        let result = try await task.exec("/bin/sh", "-c", "kill -\(signal) $$")
        #expect(result.exitResult == ExitResult(exitCode: 128 + signal, signal: signal))
        let streamed = try await ExecSession.run("/bin/sh", "-c", "kill -\(signal) $$", in: task)
        #expect(streamed.result == ExitResult(exitCode: 128 + signal, signal: signal))
      }
    }
  }

  @Test func commandsThatCannotBeExecuted() async throws {
    try await self.withTask { task in
      for (program, status) in [
        ("no-such-program", 127), ("/no/such/program", 127), ("/etc/passwd", 126), ("/etc", 126),
      ] as [(String, Int32)] {
        let result = try await task.exec(program)
        #expect(result.exitResult == ExitResult(exitCode: status), "\(program)")
        #expect(String(decoding: result.stderr, as: UTF8.self).contains("'\(program)'"))
        let streamed = try await ExecSession.run(program, in: task)
        #expect(streamed.result == ExitResult(exitCode: status), "\(program)")
        #expect(streamed.stderr.contains("'\(program)'"))
        let shown = try await ExecSession.run(program, in: task, size: (24, 80))
        #expect(shown.result == ExitResult(exitCode: status), "\(program)")
        #expect(shown.stdout.contains("'\(program)'"))
      }
    }
  }

  @Test func whatCannotBeTold() async throws {
    try await self.withTask { task in
      await #expect(throws: DriverError.taskNotFound) {
        try await task.calls.execTask("x", command: ["true"], timeout: .zero)
      }
      let long = String(repeating: "x", count: 200_000)
      let error = await #expect(throws: DriverError.self) { try await task.exec("echo", long) }
      #expect(error?.description.contains("Argument list too long") == true)
      await #expect(throws: DriverError.self) { try await task.exec("echo", "a\0b") }
    }
    try await Nomad.run { nomad in
      try await nomad.withTask(try await Units.make("t-exit7")) { task in
        _ = try await task.wait()
        let error = await #expect(throws: DriverError.self) { try await task.exec("true") }
        #expect(error?.description.contains("has ended") == true)
      }
    }
  }

  @Test func aTimeLimit() async throws {
    try await self.withTask { task in
      let mark = Self.mark()
      // One process of its group, one of its session, and one that has left both.
      let script = """
        trap '' TERM; echo started
        sleep \(mark) & setsid --wait sleep \(mark) & (set -m; sleep \(mark) &); sleep \(mark)
        """
      let error = await #expect(throws: DriverError.self) {
        try await task.exec("/bin/bash", "-c", script, timeout: .seconds(2))
      }
      #expect(error?.description.contains("2.0 seconds") == true, "\(String(describing: error))")
      #expect(error?.description.contains("started") == true)
      try await eventually("the end of all that the command has started") { !Self.isRunning(mark) }
      let state = try await task.inspect().state
      #expect(state == .running)
    }
  }

  @Test(arguments: [false, true]) func aCancelledCall(hasTerminal: Bool) async throws {
    try await self.withTask { task in
      let mark = Self.mark()
      let call = Task {
        try await ExecSession.run(
          "/bin/bash", "-ic", "trap '' TERM HUP; sleep \(mark) & setsid --wait sleep \(mark) & sleep \(mark)",
          in: task,
          size: hasTerminal ? (24, 80) : nil
        ) { _ in try await Task.sleep(for: .seconds(3600)) }
      }
      // A process that leaves its session in the moment in which its parent is killed cannot be found.
      try await eventually("all that the command starts") {
        Self.processes(with: mark).count {
          (try? String(contentsOfFile: "/proc/\($0)/comm", encoding: .utf8)) == "sleep\n"
        } == 3
      }
      call.cancel()
      _ = await call.result
      try await eventually("the end of all that the command has started") { !Self.isRunning(mark) }
    }
  }

  @Test func aStopEndsACommand() async throws {
    let unit = try await Units.make("t-sleep")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        let mark = Self.mark()
        try await ExecSession.run("/bin/sleep", mark, in: task) { _ in
          try await eventually("the command") { Self.isRunning(mark) }
          try await task.calls.stopTask(task.id, timeout: .seconds(300))
          _ = try await task.wait()
        }
        #expect(!Self.isRunning(mark))
      }
      try await eventually("the end of all children") { nomad.childProcesses.isEmpty }
    }
  }

  /// The limits of the unit are the command's, and its end is not the unit's.
  @Test func theUnitsLimits() async throws {
    let unit = try await Units.install(
      "[Service]", "TasksMax=10", "OOMPolicy=continue", "ExecStart=/bin/sleep infinity")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        // Without the controller there are no limits.
        guard try await Units.property("TasksCurrent", of: unit) == "1" else { return }
        let result = try await task.exec(
          "/bin/bash", "-c", "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 600 & done; echo survived")
        #expect(String(decoding: result.stderr, as: UTF8.self).contains("Resource temporarily unavailable"))
      }
    }
  }

  // MARK: Streams

  @Test func inputAndOutput() async throws {
    try await self.withTask { task in
      let end = try await ExecSession.run(
        "/bin/sh", "-c", "echo err >&2; cat; echo end", in: task
      ) { session in
        session.type("one\n")
        try await session.shows("one")
        session.type("two\n")
        try await session.shows("two")
        session.closeInput()
      }
      #expect(end.result == ExitResult(exitCode: 0))
      #expect(end.stdout == "one\ntwo\nend\n")
      #expect(end.stderr == "err\n")
    }
  }

  @Test func aCommandThatDoesNotReadItsInput() async throws {
    try await self.withTask { task in
      let end = try await ExecSession.run(
        "/bin/sh", "-c", "exec <&-; echo closed; sleep 0.2; exit 4", in: task
      ) {
        for _ in 0..<64 { $0.send(.stdin([UInt8](repeating: 0, count: 64 << 10))) }
      }
      #expect(end.result == ExitResult(exitCode: 4))
      let ended = try await ExecSession.run("/bin/true", in: task) {
        for _ in 0..<64 { $0.send(.stdin([UInt8](repeating: 0, count: 64 << 10))) }
      }
      #expect(ended.result == ExitResult(exitCode: 0))
    }
  }

  /// The end is that of the command, whoever holds its output.
  @Test func aBackgroundProcessHoldsTheOutput() async throws {
    try await self.withTask { task in
      let mark = Self.mark()
      let end = try await ExecSession.run("/bin/sh", "-c", "sleep \(mark) & echo done", in: task)
      #expect(end.result == ExitResult(exitCode: 0) && end.stdout == "done\n")
      // It is the unit's now.
      try await eventually("the process in the background") { Self.isRunning(mark) }
      try await task.calls.stopTask(task.id, timeout: .seconds(300))
      try await eventually("the end of the process with the unit") { !Self.isRunning(mark) }
    }
  }

  @Test func aHundredMegabytes() async throws {
    let total = 100 << 20
    try await self.withTask { task in
      let seen = Mutex((count: 0, isEqual: true))
      // No chunk is as long as a multiple of the period.
      let period = 251
      let pattern = (0..<1 << 20).map { UInt8($0 % period) }
      let chunk = 64 << 10
      let input = AsyncStream<ExecInput>(unfolding: {
        [position = Mutex(0)] in
        let start = position.withLock { position in
          defer { position += chunk }
          return position
        }
        if start == total { return .stdinClosed }
        return start > total ? nil : .stdin(Array(pattern[(start % period)...].prefix(chunk)))
      })
      let result = try await task.calls.execTaskStreaming(
        ExecRequest(taskID: task.id, command: ["/bin/cat"], tty: false), input: input
      ) { item in
        guard case .stdout(let bytes) = item else { return }
        seen.withLock { seen in
          let expected = pattern[(seen.count % period)...].prefix(bytes.count)
          if !expected.elementsEqual(bytes) { seen.isEqual = false }
          seen.count += bytes.count
        }
      }
      #expect(result == ExitResult(exitCode: 0))
      seen.withLock { seen in
        #expect(seen.count == total)
        #expect(seen.isEqual)
      }
    }
  }

  /// While nobody reads, the command waits, and nothing piles up on the way.
  @Test func backPressure() async throws {
    try await Nomad.run { nomad in
      try await nomad.withTask(try await Units.make("t-sleep")) { task in
        func memory() throws -> Int {
          let status = try String(contentsOfFile: "/proc/\(nomad.pluginProcess)/status", encoding: .utf8)
          let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
          return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        }
        let before = try memory()
        let (input, feed) = AsyncStream<ExecInput>.makeStream()
        let received = Mutex(0)
        let call = Task {
          try await task.calls.execTaskStreaming(
            ExecRequest(taskID: task.id, command: ["/bin/cat", "/dev/zero"], tty: false), input: input
          ) { item in
            if case .stdout(let bytes) = item { received.withLock { $0 += bytes.count } }
            // Nothing more is taken until the call is cancelled.
            try await Task.sleep(for: .seconds(3600))
          }
        }
        try await eventually("the first bytes") { received.withLock { $0 } > 0 }
        let last = Mutex<[String]>([])
        try await eventually("a command that waits") {
          let now = Self.writtenBytes(by: "/dev/zero")
          try await Task.sleep(for: .milliseconds(200))
          return last.withLock { last in
            defer { last = now }
            return !now.isEmpty && last == now
          }
        }
        #expect(try memory() - before < 64 << 10)
        call.cancel()
        _ = await call.result
        feed.finish()
        try await eventually("the end of the command") { !Self.isRunning("/dev/zero") }
      }
    }
  }

  @Test func muchOutputIsCut() async throws {
    try await self.withTask { task in
      let result = try await task.exec("/bin/sh", "-c", "seq 1000000; seq 1000000 >&2; echo last")
      #expect(result.exitResult == ExitResult(exitCode: 0))
      #expect(result.stdout.count == 64 << 10 && result.stderr.count == 64 << 10)
      #expect(result.stdout.suffix(13) == Array("1000000\nlast\n".utf8)[...])
      #expect(result.stderr.suffix(8) == Array("1000000\n".utf8)[...])
    }
  }

  /// As script checks do it.
  @Test func fiftyAtOnce() async throws {
    try await Nomad.run { nomad in
      try await nomad.withTask(try await Units.make("t-sleep")) { task in
        let mark = Self.mark()
        try await withThrowingTaskGroup(of: Void.self) { group in
          for number in 0..<50 {
            group.addTask {
              let result = try await task.exec("/bin/sh", "-c", "echo \(number); exit \(number)", mark)
              #expect(result.exitResult == ExitResult(exitCode: Int32(number)))
              #expect(result.stdout == Array("\(number)\n".utf8))
            }
          }
          try await group.waitForAll()
        }
        #expect(!Self.isRunning(mark))
      }
      let descriptors = "/proc/\(nomad.pluginProcess)/fd"
      let left = try FileManager.default.contentsOfDirectory(atPath: descriptors).filter { name in
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(descriptors)/\(name)"))?.hasPrefix(
          "/dev/p") == true
      }
      #expect(left.isEmpty, "\(left)")
    }
  }

  // MARK: Terminals

  @Test func aTerminal() async throws {
    try await self.withTask { task in
      let end = try await ExecSession.run("/bin/sh", "-i", in: task, size: (33, 111)) { session in
        session.type("stty size; tty; echo TERM=$TERM\n")
        try await session.shows("33 111\r\n/dev/pts/")
        try await session.shows("TERM=xterm")
        // What is typed is shown.
        #expect(session.stdout.contains("stty size; tty"))
        session.send(.terminalSize(rows: 44, columns: 99))
        session.type("stty size\n")
        try await session.shows("44 99")
        // The lead process is told of it as well.
        session.type("trap 'echo resized' WINCH; echo armed$((1+1))\n")
        try await session.shows("armed2")
        session.send(.terminalSize(rows: 45, columns: 99))
        session.type("echo\n")
        try await session.shows("\nresized")
        session.type("exit 5\n")
      }
      #expect(end.result == ExitResult(exitCode: 5))
      #expect(end.stderr.isEmpty)
    }
  }

  @Test func theSizeIsThereFromTheStart() async throws {
    try await self.withTask { task in
      for _ in 0..<5 {
        let end = try await ExecSession.run("/bin/stty", "size", in: task, size: (12, 34)) { _ in }
        #expect(end.stdout == "12 34\r\n")
      }
    }
  }

  @Test func controlCAndJobControl() async throws {
    try await self.withTask { task in
      let mark = Self.mark()
      let end = try await ExecSession.run("/bin/bash", "--norc", "-i", in: task, size: (24, 80)) { session in
        session.type("sleep \(mark); echo status $?\n")
        try await eventually("the command") { Self.isRunning(mark) }
        session.type("\u{3}")
        try await eventually("the end of the command") { !Self.isRunning(mark) }
        session.type("echo status $?\n")
        try await session.shows("status 130")
        // To the background and back.
        session.type("sleep \(mark)\n")
        try await eventually("the command") { Self.isRunning(mark) }
        session.type("\u{1a}")
        try await session.shows("Stopped")
        session.type("bg; jobs; fg; echo again $?\n")
        try await session.shows("Running")
        try await eventually("the command in the foreground") { Self.hasTerminal(mark) }
        session.type("\u{3}")
        try await eventually("the end of the command") { !Self.isRunning(mark) }
        session.type("echo again $?\n")
        try await session.shows("again 130")
        // Ctrl-D ends the shell.
        session.type("\u{4}")
      }
      #expect(!end.stdout.contains("no job control"))
      #expect(end.result == ExitResult(exitCode: 0))
    }
  }

  @Test func controlCEndsTheLeadProcess() async throws {
    try await self.withTask { task in
      let mark = Self.mark()
      let end = try await ExecSession.run("/bin/sleep", mark, in: task, size: (24, 80)) { session in
        try await eventually("the command") { Self.isRunning(mark) }
        session.type("\u{3}")
      }
      #expect(end.result == ExitResult(exitCode: 130, signal: 2))
    }
  }

  @Test func theEndOfInputAtATerminal() async throws {
    try await self.withTask { task in
      let end = try await ExecSession.run("/bin/cat", in: task, size: (24, 80)) { session in
        session.type("hello\n")
        session.closeInput()
      }
      #expect(end.result == ExitResult(exitCode: 0))
      #expect(end.stdout == "hello\r\nhello\r\n")
    }
  }

  /// The session ends with its lead process, though a child holds the terminal.
  @Test func aBackgroundProcessHoldsTheTerminal() async throws {
    try await self.withTask { task in
      let mark = Self.mark()
      let end = try await ExecSession.run(
        "/bin/bash", "-c", "trap '' HUP; sleep \(mark) & echo last words; exit 6", in: task, size: (24, 80)
      ) { _ in }
      #expect(end.result == ExitResult(exitCode: 6))
      #expect(end.stdout == "last words\r\n")
      try await eventually("the process in the background") { Self.isRunning(mark) }
      try await task.calls.stopTask(task.id, timeout: .seconds(300))
      try await eventually("the end of the process with the unit") { !Self.isRunning(mark) }
    }
  }

  @Test func muchOutputOfATerminal() async throws {
    try await self.withTask { task in
      let end = try await ExecSession.run("/usr/bin/seq", "200000", in: task, size: (24, 80)) { _ in }
      let lines = end.stdout.split(separator: "\r\n")
      #expect(lines.count == 200_000 && lines.last == "200000")
    }
  }

  @Test func theTerminalIsTheUsers() async throws {
    let unit = try await Units.install("[Service]", "User=nobody", "ExecStart=/bin/sleep infinity")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        let end = try await ExecSession.run(
          "/bin/sh", "-c", "stat -c %U $(tty); echo again > $(tty)", in: task, size: (24, 80)
        ) { _ in }
        #expect(end.stdout == "nobody\r\nagain\r\n")
      }
    }
  }
}
