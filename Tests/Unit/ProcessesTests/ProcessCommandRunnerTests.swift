import Foundation
import Glibc
import Logging
import Synchronization
import TestHelpers
import Testing

@testable import Processes

@Suite struct ProcessCommandRunnerTests {
  private let runner = ProcessCommandRunner(logger: quietLogger)

  // MARK: Ends

  @Test(arguments: [0, 1, 5, 127, 255] as [Int32])
  func tellsTheExitStatus(status: Int32) async throws {
    let output = try await self.runner.run(.shell("echo out; echo err >&2; exit \(status)"))
    #expect(output.result.termination == .exited(status))
    #expect(output.text == "out\n")
    #expect(output.result.standardError == Array("err\n".utf8))
    #expect(output.result.duration > .zero)
  }

  @Test(arguments: [SIGKILL, SIGTERM, SIGSEGV, SIGUSR1])
  func tellsTheSignal(signal: Int32) async throws {
    let output = try await self.runner.run(.shell("kill -\(signal) $$"))
    #expect(output.result.termination == .signaled(signal))
  }

  // MARK: Output

  @Test func readsBothPipesAtOnce() async throws {
    var command = Command.shell(
      """
      i=0; while [ $i -lt 64 ]; do head -c 65536 /dev/zero >&2; head -c 65536 /dev/zero; i=$((i+1)); done
      printf out; printf err >&2
      """)
    command.outputLimit = 8 << 20
    let output = try await self.runner.run(command)
    #expect(output.standardOutput.count == 64 * 65536 + 3)
    #expect(output.standardOutput.suffix(4) == [0] + "out".utf8)
    #expect(output.result.standardError.count == CommandResult.standardErrorLimit)
    #expect(output.result.standardError.suffix(4) == [0] + "err".utf8)
  }

  @Test func collectsUpToTheLimitAndNoMore() async throws {
    var command = Command.shell("head -c 100000 /dev/zero")
    command.outputLimit = 100_000
    #expect(try await self.runner.run(command).standardOutput.count == 100_000)
    command.outputLimit = 99_999
    let limited = command
    await #expect(throws: CommandError.tooMuchOutput(limited)) { try await self.runner.run(limited) }
    let endless = Command.shell("exec cat /dev/zero", timeLimit: .seconds(600))
    await #expect(throws: CommandError.tooMuchOutput(endless)) { try await self.runner.run(endless) }
  }

  @Test func outputThatIsRefusedEndsTheCommand() async throws {
    struct Refusal: Error {}
    var processID: Int32 = 0
    await #expect(throws: Refusal.self) {
      try await self.runner.run(.shell("echo $$; exec sleep 600", timeLimit: .seconds(300))) { chunk in
        processID = Int32(String(decoding: chunk.dropLast(), as: UTF8.self)) ?? 0
        throw Refusal()
      }
    }
    #expect(processID > 0 && !exists(processID))
  }

  @Test func aCommandWaitsWhileItsOutputIsNotTaken() async throws {
    try await withTemporaryDirectory { directory in
      let total = 16 << 20
      var taken = 0
      let result = try await self.runner.run(
        .shell("head -c \(total) /dev/zero; : > \"$1\"", "\(directory)/done")
      ) {
        chunk in
        #expect(chunk.count <= ReadableDescriptor.chunkSize)
        taken += chunk.count
        // What is neither taken nor in the pipe cannot have been written.
        if taken + ReadableDescriptor.chunkSize < total {
          #expect(!FileManager.default.fileExists(atPath: "\(directory)/done"))
        }
      }
      #expect(result.termination.isSuccess)
      #expect(taken == total)
      #expect(FileManager.default.fileExists(atPath: "\(directory)/done"))
    }
  }

  @Test func aCommandMayCloseItsOutputAndGoOn() async throws {
    let output = try await self.runner.run(
      .shell("echo early; exec >&- 2>&-; read line < \"$1\"; exit 4", "/dev/null"))
    #expect(output.text == "early\n")
    #expect(output.result.termination == .exited(4))
  }

  // MARK: The surroundings of a child

  /// What is set for this process must not change what is answered.
  @Test func theEnvironmentIsAMadeOne() async throws {
    let agents = [
      "KEPT": "a b", "TZ": "Asia/Tokyo", "LC_ALL": "de_DE", "SYSTEMD_PAGER": "less",
      "SYSTEMD_LOG_LEVEL": "emerg",
      "SYSTEMD_OFFLINE": "1", "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/x", "NOTIFY_SOCKET": "/x",
      "LISTEN_FDS": "3",
      "PATH": "/opt/bin:/usr/bin",
    ]
    let runner = ProcessCommandRunner(logger: quietLogger, environment: agents)
    func variables(_ inherits: Bool) async throws -> Set<String> {
      let output = try await runner.run(
        Command(executable: "/usr/bin/env", timeLimit: .seconds(60), inheritsEnvironment: inherits))
      return Set(output.text.split(separator: "\n").map(String.init))
    }
    let made: Set = [
      "PATH=/opt/bin:/usr/bin", "TZ=UTC", "LC_ALL=C.UTF-8", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0",
      "SYSTEMD_URLIFY=0",
    ]
    #expect(try await variables(false) == made)
    // What reaches a systemd elsewhere may need more, such as ssh's agent.
    #expect(try await variables(true) == made.union(["KEPT=a b", "HOME=/"]))
  }

  @Test func aChildHasNoInputAndItsOwnGroup() async throws {
    let output = try await self.runner.run(
      .shell(
        """
        readlink /proc/self/fd/0; pwd
        read -r _ _ _ _ group _ < /proc/$$/stat; [ "$group" = $$ ] && echo leader
        """))
    #expect(output.text == "/dev/null\n/\nleader\n")
  }

  @Test func aChildBlocksNoSignals() async throws {
    // Not by a shell, which may clear what it inherits for its own children.
    let output = try await self.runner.run(
      Command(executable: "/bin/grep", arguments: ["SigBlk", "/proc/self/status"], timeLimit: .seconds(60)))
    #expect(output.text == "SigBlk:\t0000000000000000\n")
  }

  @Test func childrenDoNotInheritEachOthersPipes() async throws {
    // Each prints what its descriptors are while all the others run.
    let outputs = try await withThrowingTaskGroup(of: String.self) { group in
      for _ in 0..<50 {
        group.addTask {
          try await self.runner.run(.shell("for f in /proc/$$/fd/*; do readlink $f; done; sleep 0.2")).text
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    for output in outputs {
      let targets = output.split(separator: "\n")
      #expect(targets.filter { $0.hasPrefix("pipe:") }.count == 2, "\(output)")
    }
  }

  // MARK: Killing

  @Test func theTimeLimitKillsTheWholeGroup() async throws {
    let command = Command.shell(
      "sleep 600 & echo $$ $!; echo waiting >&2; wait", timeLimit: .milliseconds(300))
    var processIDs: [Int32] = []
    await #expect(throws: CommandError.timedOut(command, standardError: "waiting")) {
      try await self.runner.run(command) { processIDs += numbers($0) }
    }
    #expect(processIDs.count == 2)
    #expect(processIDs.first.map { !exists($0) } == true)
    // The grandchild is init's to reap.
    for processID in processIDs { try await eventually { isGone(processID) } }
  }

  @Test func aChildThatIgnoresSigtermIsKilled() async throws {
    let command = Command.shell(
      "trap '' TERM; echo $$; while :; do sleep 600; done", timeLimit: .milliseconds(300))
    var processIDs: [Int32] = []
    await #expect(throws: CommandError.self) {
      try await self.runner.run(command) { processIDs += numbers($0) }
    }
    #expect(processIDs.count == 1 && !exists(processIDs[0]))
  }

  @Test func aStoppedChildIsKilled() async throws {
    let command = Command.shell("echo $$; kill -STOP $$", timeLimit: .milliseconds(300))
    var processIDs: [Int32] = []
    await #expect(throws: CommandError.self) {
      try await self.runner.run(command) { processIDs += numbers($0) }
    }
    #expect(processIDs.count == 1 && !exists(processIDs[0]))
  }

  @Test func cancellationKillsTheWholeGroup() async throws {
    let (started, continuation) = AsyncStream.makeStream(of: [Int32].self)
    let task = Task {
      try await self.runner.run(.shell("sleep 600 & echo $$ $!; wait", timeLimit: .seconds(300))) {
        continuation.yield(numbers($0))
      }
    }
    let processIDs = await started.first { _ in true } ?? []
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(processIDs.count == 2 && !exists(processIDs[0]))
    for processID in processIDs { try await eventually { isGone(processID) } }
  }

  @Test func aCancelledTaskStartsNothing() async throws {
    try await withTemporaryDirectory { directory in
      let task = Task {
        while !Task.isCancelled { await Task.yield() }
        return try await self.runner.run(.shell(": > \"$1\"", "\(directory)/started"))
      }
      task.cancel()
      await #expect(throws: CancellationError.self) { try await task.value }
      #expect(!FileManager.default.fileExists(atPath: "\(directory)/started"))
    }
  }

  @Test func cancellationAtAnyMomentLeavesNothing() async throws {
    try await withTemporaryDirectory { directory in
      for delay in 0..<60 {
        let task = Task {
          try await self.runner.run(
            .shell("echo $$ > \"$1\"; exec sleep 600", "\(directory)/\(delay)", timeLimit: .seconds(300)))
        }
        try await Task.sleep(for: .microseconds(delay * 100))
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        let text = (try? String(contentsOfFile: "\(directory)/\(delay)", encoding: .utf8)) ?? ""
        if let processID = Int32(text.dropLast()) { #expect(!exists(processID)) }
      }
    }
  }

  // MARK: Descendants that live on

  @Test func aGrandchildThatHoldsThePipesIsNotWaitedFor() async throws {
    let output = try await self.runner.run(.shell("sleep 600 & echo $!; exit 3", timeLimit: .seconds(300)))
    #expect(output.result.termination == .exited(3))
    let processID = try #require(numbers(output.standardOutput).first)
    #expect(exists(processID))
    kill(processID, SIGKILL)
  }

  @Test func aGrandchildThatWritesForEverIsNotWaitedFor() async throws {
    let output = try await self.runner.run(
      .shell("(while :; do echo x; done) & echo pid $!; exit 3", timeLimit: .seconds(300)))
    #expect(output.result.termination == .exited(3))
    let line = try #require(output.text.split(separator: "\n").first { $0.hasPrefix("pid ") })
    kill(try #require(Int32(line.dropFirst(4))), SIGKILL)
  }

  @Test func aGrandchildOutsideTheGroupDoesNotHoldUpAKill() async throws {
    let command = Command.shell("setsid sleep 600 & echo $$ $!; wait", timeLimit: .milliseconds(300))
    var processIDs: [Int32] = []
    await #expect(throws: CommandError.timedOut(command, standardError: "")) {
      try await self.runner.run(command) { processIDs += numbers($0) }
    }
    #expect(processIDs.count == 2)
    #expect(processIDs.first.map { !exists($0) } == true)
    if let grandchild = processIDs.last, exists(grandchild) { kill(grandchild, SIGKILL) }
  }

  // MARK: Numbers

  @Test func runsManyAtOnce() async throws {
    let sum = try await withThrowingTaskGroup(of: Int32.self) { group in
      for number in 0..<200 {
        group.addTask {
          numbers(try await self.runner.run(.shell("echo \(number)")).standardOutput).first ?? -1
        }
      }
      return try await group.reduce(0, +)
    }
    #expect(sum == 199 * 100)
  }

  @Test func followsManyWithoutAThreadEach() async throws {
    let before = try threadCount()
    let (lines, continuation) = AsyncStream.makeStream(of: Void.self)
    let followers = Task {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<200 {
          group.addTask {
            _ = try await self.runner.run(.shell("echo; exec sleep 600", timeLimit: .seconds(300))) { _ in
              continuation.yield()
            }
          }
        }
        try await group.waitForAll()
      }
    }
    var count = 0
    for await _ in lines {
      count += 1
      if count == 200 { break }
    }
    #expect(try threadCount() < before + 100)
    followers.cancel()
    await #expect(throws: CancellationError.self) { try await followers.value }
  }

  @Test func leavesNoDescriptors() async throws {
    let before = try descriptorCount()
    for round in 0..<500 {
      switch round % 5 {
      case 0: _ = try? await self.runner.run(Command(executable: "/no/such/program"))
      case 1: _ = try? await self.runner.run(.shell("exec sleep 600", timeLimit: .milliseconds(1)))
      default: _ = try await self.runner.run(.shell("echo; echo >&2"))
      }
    }
    // Other tests run at the same time and have descriptors open for a while.
    try await eventually { try descriptorCount() <= before + 200 }
  }

  @Test func logsALineThatCanBePasted() async throws {
    let lines = Mutex<[String]>([])
    let logger = Logger(label: "test") { _ in CapturingHandler { line in lines.withLock { $0.append(line) } }
    }
    let runner = ProcessCommandRunner(logger: logger)
    _ = try await runner.run(.shell("exit 3", "a b"))
    _ = try? await runner.run(Command(executable: "/no/such/program"))
    let logged = lines.withLock { $0 }
    #expect(logged.count == 2)
    #expect(logged.first?.hasPrefix("debug /bin/sh -c 'exit 3' sh 'a b' milliseconds=") == true)
    #expect(logged.first?.hasSuffix(" outcome=exit status 3") == true)
    #expect(
      logged.last?.hasSuffix("outcome=cannot execute /no/such/program: No such file or directory") == true)
  }
}

private func numbers(_ bytes: [UInt8]) -> [Int32] {
  String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).compactMap { Int32($0) }
}

/// Whether a process is gone or waits for init to reap it.
private func isGone(_ processID: Int32) -> Bool {
  guard let status = try? String(contentsOfFile: "/proc/\(processID)/stat", encoding: .utf8) else {
    return true
  }
  return status.contains(") Z ")
}

private func descriptorCount() throws -> Int {
  try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
}

private func threadCount() throws -> Int {
  try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count
}
