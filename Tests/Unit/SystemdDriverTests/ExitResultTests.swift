import NomadPlugin
import Systemd
import Testing

@testable import SystemdDriver

@Suite struct ExitResultTests {
  @Test func success() {
    let result = ExitResult("x.service", .success)
    #expect(result == ExitResult(exitCode: 0))
    // Any message would make Nomad count the task as failed.
    #expect(result.message == nil)
  }

  /// The main process may have ended in any way: it is not to blame.
  @Test(arguments: [MainProcessExit.exited(0), .exited(5), .killed(15), nil])
  func anotherProcessFailed(mainProcess: MainProcessExit?) {
    for (exit, exitCode, signal) in [(MainProcessExit.exited(9), Int32(9), Int32(0)), (.killed(11), 139, 11)]
    {
      let command = FailedCommand(directive: "ExecStopPost", exit: exit)
      let result = ExitResult(
        "x.service", UnitEnd(result: "exit-code", mainProcessExit: mainProcess, failedCommand: command))
      #expect(result.exitCode == exitCode && result.signal == signal)
      #expect(result.message?.contains("its command ExecStopPost= ") == true)
    }
  }

  /// A clean SIGTERM is not what "exit-code" is about.
  @Test func itIsNotKnownWhichProcessFailed() {
    for exit in [MainProcessExit.killed(15), .exited(0), nil] {
      let result = ExitResult("x.service", UnitEnd(result: "exit-code", mainProcessExit: exit))
      #expect(result.exitCode == 1 && result.signal == 0)
      #expect(result.message?.contains("which one is not known") == true)
    }
  }

  @Test func aRestartThatIsPassedOver() {
    let end = UnitEnd(result: "exit-code", mainProcessExit: .exited(7)).passedOver(because: "a condition")
    let result = ExitResult("x.service", end)
    #expect(result.exitCode == 7)
    #expect(
      result.message
        == "x.service failed: its main process exited with status 7; systemd has passed over its restart (a condition)"
    )
  }

  @Test func anUnknownEnd() {
    let result = ExitResult(
      unknownEndOf: "x.service", because: "systemd no longer has its definition (not-found)")
    #expect(result.exitCode == 1)
    #expect(result.message?.contains("not-found") == true && result.message?.contains("not known") == true)
  }

  struct Failure: Sendable {
    let result: String
    let code: Int
    let status: Int
    let exitCode: Int32
    var signal: Int32 = 0
    var oomKilled = false
    let text: String
  }

  @Test(arguments: [
    Failure(result: "exit-code", code: 1, status: 7, exitCode: 7, text: "exited with status 7"),
    Failure(result: "exit-code", code: 1, status: 203, exitCode: 203, text: "EXEC"),
    Failure(result: "exit-code", code: 1, status: 0, exitCode: 1, text: "not known"),
    Failure(result: "exit-code", code: 0, status: 0, exitCode: 1, text: "not known"),
    Failure(result: "signal", code: 2, status: 9, exitCode: 137, signal: 9, text: "signal 9"),
    Failure(result: "signal", code: 2, status: 15, exitCode: 143, signal: 15, text: "signal 15"),
    Failure(result: "signal", code: 1, status: 0, exitCode: 1, text: "'signal'"),
    Failure(result: "core-dump", code: 3, status: 11, exitCode: 139, signal: 11, text: "dumped core"),
    Failure(
      result: "oom-kill", code: 2, status: 9, exitCode: 137, signal: 9, oomKilled: true, text: "out-of-memory"
    ),
    Failure(result: "oom-kill", code: 0, status: 0, exitCode: 1, oomKilled: true, text: "out-of-memory"),
    Failure(result: "timeout", code: 0, status: 0, exitCode: 1, text: "TimeoutStartSec="),
    Failure(result: "watchdog", code: 3, status: 6, exitCode: 134, signal: 6, text: "WatchdogSec="),
    Failure(result: "start-limit-hit", code: 1, status: 4, exitCode: 4, text: "reset-failed"),
    Failure(result: "protocol", code: 1, status: 0, exitCode: 1, text: "Type="),
    Failure(result: "exit-code", code: 1, status: 240, exitCode: 240, text: "set up"),
    Failure(result: "exec-condition", code: 0, status: 0, exitCode: 1, text: "ExecCondition="),
    Failure(result: "trigger-limit-hit", code: 0, status: 0, exitCode: 1, text: "TriggerLimitBurst="),
    Failure(result: "unit-start-limit-hit", code: 0, status: 0, exitCode: 1, text: "triggers"),
    Failure(result: "resources", code: 0, status: 0, exitCode: 1, text: "resource"),
    Failure(result: "something-new", code: 0, status: 0, exitCode: 1, text: "something-new"),
  ])
  func failed(_ failure: Failure) throws {
    let properties = [
      "Result": failure.result, "ExecMainCode": "\(failure.code)", "ExecMainStatus": "\(failure.status)",
    ]
    let result = ExitResult("x.service", UnitEnd(try status("failed", properties)))
    #expect(result.exitCode == failure.exitCode)
    #expect(result.signal == failure.signal)
    #expect(result.oomKilled == failure.oomKilled)
    let message = try #require(result.message)
    #expect(message.hasPrefix("x.service failed: "))
    #expect(message.contains(failure.text), "\(message)")
  }

  @Test func aUnitOfAnotherTypeThatFailed() throws {
    let result = ExitResult("data.mount", UnitEnd(try status("failed", ["Result": "exit-code"])))
    #expect(result.exitCode == 1)
    #expect(result.message?.hasPrefix("data.mount failed: ") == true)
  }
}
