import NomadPlugin
import Testing

@testable import SystemdDriver

@Suite struct ExitResultTests {
  @Test(arguments: [
    "active", "activating", "deactivating", "reloading", "refreshing", "maintenance", "something-new",
  ])
  func running(state: String) throws {
    #expect(try ExitResult(status(state)) == nil)
    // What a run before this one left behind does not count.
    #expect(try ExitResult(status(state, ["Result": "exit-code", "ExecMainCode": "1"])) == nil)
  }

  @Test func inactive() throws {
    let result = try #require(try ExitResult(status("inactive")))
    #expect(result == ExitResult(exitCode: 0))
    // Any message would make Nomad count the task as failed.
    #expect(result.message == nil)
  }

  @Test func inactiveSinceACommandSaidSo() throws {
    let result = try #require(
      try ExitResult(status("inactive", ["InvocationID": "a", "Result": "exec-condition"])))
    #expect(result.exitCode == 1)
    #expect(result.message?.contains("ExecCondition=") == true)
  }

  @Test(arguments: ["not-found", "bad-setting", "error"])
  func inactiveAndItsDefinitionIsGone(loadState: String) throws {
    let result = try #require(try ExitResult(status("inactive", ["LoadState": loadState])))
    #expect(result.exitCode == 1)
    #expect(result.message?.contains(loadState) == true)
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
    Failure(result: "exit-code", code: 1, status: 0, exitCode: 1, text: "ExecStartPre="),
    Failure(result: "exit-code", code: 0, status: 0, exitCode: 1, text: "ExecStartPre="),
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
    let result = try #require(try ExitResult(status("failed", properties)))
    #expect(result.exitCode == failure.exitCode)
    #expect(result.signal == failure.signal)
    #expect(result.oomKilled == failure.oomKilled)
    let message = try #require(result.message)
    #expect(message.hasPrefix("x.service failed: "))
    #expect(message.contains(failure.text), "\(message)")
  }

  @Test func aUnitOfAnotherTypeThatFailed() throws {
    let result = try #require(try ExitResult(status("failed", ["Id": "data.mount", "Result": "exit-code"])))
    #expect(result.exitCode == 1)
    #expect(result.message?.hasPrefix("data.mount failed: ") == true)
  }
}
