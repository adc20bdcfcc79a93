import Foundation
import Synchronization
import Testing

@testable import GoPlugin

@Suite struct ChildProcessTests {
  /// Runs a shell script to its end.
  func run(_ script: String, input: String = "") async throws -> (ChildProcess.ExitStatus, [String], [String])
  {
    let output = Mutex<[String]>([])
    let errors = Mutex<[String]>([])
    let process = try ChildProcess.spawn(
      "/bin/sh", ["-c", script], environment: ["PATH": "/usr/bin:/bin", "VARIABLE": "a b=c"],
      input: Array(input.utf8),
      onOutput: { line in output.withLock { $0.append(String(decoding: line, as: UTF8.self)) } },
      onError: { line in errors.withLock { $0.append(String(decoding: line, as: UTF8.self)) } })
    defer { process.kill(SIGKILL) }
    let status = try await process.end.value
    // It has been waited for.
    #expect(kill(process.processIdentifier, 0) == -1 && errno == ESRCH)
    return (status, output.withLock { $0 }, errors.withLock { $0 })
  }

  @Test func outputComesByLinesBeforeTheEnd() async throws {
    let (status, output, errors) = try await self.run(
      #"printf 'one\n\ntwo\nthree'; printf 'bad\n' >&2; cat; echo "$VARIABLE"; exit 7"#,
      input: "\nfrom input\n")
    #expect(status == .exited(7))
    #expect(output == ["one", "", "two", "three", "from input", "a b=c"])
    #expect(errors == ["bad"])
  }

  @Test func signalIsTold() async throws {
    #expect(try await self.run("kill -TERM $$").0 == .killed(signal: SIGTERM))
  }

  @Test func longLineComesInPieces() async throws {
    let (_, output, _) = try await self.run("head -c 300000 /dev/zero | tr '\\0' x; echo; echo end")
    #expect(output.last == "end")
    #expect(output.count > 3)
    #expect(output.dropLast().joined() == String(repeating: "x", count: 300_000))
  }

  @Test func endIsSeenWhileAGrandchildLives() async throws {
    let (status, output, _) = try await self.run("sleep 600 & echo $!; exit 3")
    #expect(status == .exited(3))
    let grandchild = try #require(output.first.flatMap { pid_t($0) })
    #expect(kill(grandchild, SIGKILL) == 0)
  }

  @Test func programStartsWithCleanSignalsAndDescriptors() async throws {
    signal(SIGPIPE) { _ in }
    let leaked = open("/dev/null", O_RDONLY)
    defer { close(leaked) }
    let (_, output, _) = try await self.run("grep -E '^Sig(Blk|Ign)' /proc/self/status; ls /proc/self/fd")
    // Signals 32 and 33 are the C library's own.
    let masks = output.prefix(2).map { UInt64($0.suffix(16), radix: 16).map { $0 & 0x7fff_ffff } }
    #expect(masks == [0, 0], "\(output)")
    // The last one is the folder that ls reads.
    #expect(output.dropFirst(2) == ["0", "1", "2", "3"])
  }

  @Test func manyAtOnce() async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<40 {
        group.addTask {
          let (status, output, _) = try await self.run("echo \(number); exit \(number)")
          #expect(status == .exited(Int32(number)))
          #expect(output == ["\(number)"])
        }
      }
      try await group.waitForAll()
    }
  }

  @Test func missingProgramIsAnError() {
    let error = #expect(throws: ChildProcessError.self) {
      try ChildProcess.spawn("/nonexistent/x", [], environment: [:], onOutput: { _ in }, onError: { _ in })
    }
    #expect(error?.code == ENOENT)
    #expect(error?.description.contains("/nonexistent/x") == true)
  }

  @Test func inputThatDoesNotFitIsAnError() {
    #expect(throws: ChildProcessError.self) {
      try ChildProcess.spawn(
        "/bin/true", [], environment: [:], input: Array(repeating: 0, count: 1 << 22), onOutput: { _ in },
        onError: { _ in })
    }
  }
}
