import MessagePack
import Foundation
import NomadPlugin
import NomadTestSupport
import TestHelpers
import Testing

/// What StartTask answers, and when.
@Suite(.needsSystemd, .limitedParallelism) struct StartTests {
  /// Starts a task that cannot be started.
  private func failure(_ nomad: Nomad, _ unit: String) async throws -> DriverError {
    let allocation = try Allocation(unit: unit)
    defer { allocation.remove() }
    let error = await #expect(throws: DriverError.self) {
      try await nomad.calls.startTask(allocation.config)
    }
    await #expect(throws: DriverError.taskNotFound) { try await nomad.calls.waitTask(allocation.config.id) }
    return try #require(error)
  }

  private func recoverable(_ error: DriverError) -> String? {
    if case .recoverable(let text) = error { text } else { nil }
  }

  // MARK: Failures

  @Test(arguments: ["ConditionPathExists=/no/such/path", "ConditionHost=no-such-host"])
  func anUnmetConditionIsNamed(condition: String) async throws {
    let unit = try await Units.install("[Unit]", condition, "[Service]", "ExecStart=/bin/sleep infinity")
    try await Nomad.run { nomad in
      let text = try #require(self.recoverable(try await self.failure(nomad, unit)))
      #expect(text.contains("systemctl start \(unit)") && text.contains(condition), "\(text)")
    }
  }

  @Test func aConditionThatIsMetIsNoHindrance() async throws {
    let unit = try await Units.install(
      "[Unit]", "ConditionPathExists=/etc", "[Service]", "ExecStart=/bin/sleep infinity")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        let state = try await task.inspect().state
        #expect(state == .running)
      }
    }
  }

  @Test func anUnmetExecConditionIsNamed() async throws {
    let unit = try await Units.install(
      "[Service]", "ExecCondition=/bin/false", "ExecStart=/bin/sleep infinity")
    try await Nomad.run { nomad in
      let text = try #require(self.recoverable(try await self.failure(nomad, unit)))
      #expect(text.contains("skipped"), "\(text)")
    }
  }

  @Test func anAssertionThatDoesNotHold() async throws {
    let unit = try await Units.install(
      "[Unit]", "AssertPathExists=/no/such/path", "[Service]", "ExecStart=/bin/sleep infinity")
    try await Nomad.run { nomad in
      let text = try #require(self.recoverable(try await self.failure(nomad, unit)))
      #expect(text.contains("Assertion failed") && text.contains("systemctl cat \(unit)"), "\(text)")
    }
  }

  @Test func aDependencyThatFailsIsNamed() async throws {
    let dependency = try await Units.install("[Service]", "Type=oneshot", "ExecStart=/bin/false")
    let unit = try await Units.install(
      "[Unit]", "Requires=\(dependency)", "After=\(dependency)", "[Service]", "ExecStart=/bin/sleep infinity")
    try await Nomad.run { nomad in
      let text = try #require(self.recoverable(try await self.failure(nomad, unit)))
      #expect(text.contains("A dependency job for \(unit) failed") && text.contains(dependency), "\(text)")
      // Another requirement, which is active, is not blamed.
      #expect(!text.contains("sysinit.target"), "\(text)")
    }
    try await Units.systemctl("reset-failed", dependency)
  }

  @Test func theStartLimit() async throws {
    let unit = try await Units.install(
      "[Unit]", "StartLimitBurst=1", "StartLimitIntervalSec=1h", "[Service]", "ExecStart=/bin/false")
    try await Units.withoutReload {
      try await Units.systemctl("start", unit)
      try await Nomad.run { nomad in
        let allocation = try Allocation(unit: unit)
        defer { allocation.remove() }
        let error = try await #require(throws: DriverError.self) {
          try await nomad.calls.startTask(allocation.config)
        }
        let text = try #require(self.recoverable(error))
        #expect(text.contains("too often") && text.contains("systemctl reset-failed"), "\(text)")
      }
    }
    try await Units.systemctl("reset-failed", unit)
  }

  @Test func aStartThatTakesTooLong() async throws {
    let unit = try await Units.install(
      "[Service]", "Type=notify", "TimeoutStartSec=1", "ExecStart=/bin/sleep infinity")
    try await Nomad.run { nomad in
      let text = try #require(self.recoverable(try await self.failure(nomad, unit)))
      #expect(text.contains("timeout was exceeded"), "\(text)")
      // It is known how that ended when the start is answered.
      let state = try await Units.property("ActiveState", of: unit)
      #expect(state == "failed")
    }
    try await Units.systemctl("reset-failed", unit)
  }

  /// A oneshot's failure is its program's, however soon it comes.
  @Test(arguments: ["exit 3", "sleep 0.3; exit 3"])
  func aOneshotThatFailsHasAnExitCode(script: String) async throws {
    let unit = try await Units.install("[Service]", "Type=oneshot", "ExecStart=/bin/sh -c '\(script)'")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        let exitCode = try await task.wait().exitCode
        #expect(exitCode == 3)
      }
    }
  }

  @Test func aOneshotThatIsForgottenHasAnExitCode() async throws {
    let unit = try await Units.install(
      "[Unit]", "CollectMode=inactive-or-failed", "[Service]", "Type=oneshot", "ExecStart=/bin/sh -c 'exit 9'"
    )
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        let result = try await task.wait()
        #expect(result.exitCode == 9)
        #expect(result.message?.contains("status 9") == true)
      }
    }
  }

  // MARK: Starts that take their time

  @Test func aServiceThatIsSlowToBecomeReadyRuns() async throws {
    let unit = try await Units.install(
      "[Service]", "Type=notify", "TimeoutStartSec=1h", "ExecStart=/bin/sleep infinity")
    try await Nomad.run { nomad in
      // It never becomes ready, so the answer of the start is what is waited for here.
      try await nomad.withTask(unit) { task in
        let state = try await Units.property("ActiveState", of: unit)
        #expect(state == "activating")
        try await task.calls.stopTask(task.id, timeout: .seconds(300))
        _ = try await task.wait()
      }
    }
  }

  @Test func aServiceThatBecomesReadyHasStarted() async throws {
    let unit = try await Units.install(
      "[Service]", "Type=notify", "NotifyAccess=all",
      "ExecStart=/bin/sh -c 'sleep 0.5; systemd-notify --ready; exec sleep infinity'")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { _ in
        let state = try await Units.property("ActiveState", of: unit)
        #expect(state == "active")
      }
    }
  }

  @Test func aOneshotThatRunsAlreadyIsAdopted() async throws {
    let unit = try await Units.make("t-longoneshot")
    try await Units.systemctl("start", "--no-block", unit)
    try await eventually("the program") { try await Units.property("MainPID", of: unit) != "0" }
    try await Nomad.run { nomad in
      try await nomad.withEvents { events in
        try await nomad.withTask(unit) { task in
          try await events.event(with: "was already active")
          try await task.calls.stopTask(task.id, timeout: .seconds(300))
        }
      }
    }
  }

  @Test(.timeLimit(.minutes(10))) func aStartThatIsUnderWayIsJoined() async throws {
    let unit = try await Units.install(
      "[Service]", "Type=oneshot",
      "ExecStartPre=/bin/sh -c 'until test -e /run/NAME.go; do sleep 0.02; done'",
      "ExecStart=/bin/sleep infinity")
    try await Units.systemctl("start", "--no-block", unit)
    try await eventually("the preparation") { try await Units.property("SubState", of: unit) == "start-pre" }
    try await Nomad.run { nomad in
      let allocation = try Allocation(unit: unit)
      defer { allocation.remove() }
      async let start = nomad.calls.startTask(allocation.config)
      try await eventually("the driver's start") {
        nomad.childProcesses.contains {
          ((try? String(contentsOfFile: "/proc/\($0)/cmdline", encoding: .utf8)) ?? "").contains("\0start\0")
        }
      }
      try Units.go(unit)
      // The program runs for ever.
      _ = try await start
      let state = try await nomad.calls.inspectTask(allocation.config.id).state
      #expect(state == .running)
      try await nomad.calls.destroyTask(allocation.config.id, force: true)
    }
  }

  // MARK: Restarts

  private func restart(_ unit: String, _ nomad: Nomad) async throws -> DriverError? {
    let allocation = try Allocation(
      unit: unit, driverConfig: ["unit": .string(unit), "on_active": "restart"])
    defer { allocation.remove() }
    return await #expect(throws: DriverError.self) { try await nomad.calls.startTask(allocation.config) }
  }

  @Test func aRestartThatIsRefused() async throws {
    let unit = try await Units.install(
      "[Unit]", "RefuseManualStart=yes", "[Service]", "ExecStart=/bin/sleep infinity")
    let other = try await Units.install(
      "[Unit]", "Requires=\(unit)", "[Service]", "ExecStart=/bin/sleep infinity")
    try await Units.systemctl("start", other)
    let run = try await Units.property("InvocationID", of: unit)
    try await Nomad.run { nomad in
      let error = try await self.restart(unit, nomad)
      #expect(error?.description.contains("refused") == true, "\(String(describing: error))")
      let now = try await Units.property("InvocationID", of: unit)
      #expect(now == run)
    }
    try await Units.systemctl("stop", other, unit)
  }

  @Test func aRestartWhoseConditionIsNotMet() async throws {
    let unit = try await Units.install(
      "[Unit]", "ConditionPathExists=/run/NAME.go", "[Service]", "ExecStart=/bin/sleep infinity")
    try Units.go(unit)
    try await Units.systemctl("start", unit)
    try Units.stay(unit)
    try await Nomad.run { nomad in
      let error = try await self.restart(unit, nomad)
      #expect(error?.description.contains("did no more than stop it") == true, "\(String(describing: error))")
      guard case .recoverable? = error else {
        return #expect(Bool(false), "\(String(describing: error))")
      }
    }
  }

  // MARK: Cancellation

  @Test func aStartThatIsCancelledIsUndone() async throws {
    let unit = try await Units.install(
      "[Service]", "Type=notify", "ExecStartPre=/bin/sleep 3600", "TimeoutStartSec=1h", "ExecStart=/bin/true")
    try await Nomad.run { nomad in
      let allocation = try Allocation(unit: unit)
      defer { allocation.remove() }
      let start = Task { try await nomad.calls.startTask(allocation.config) }
      try await eventually("the start job") { try await Units.property("SubState", of: unit) == "start-pre" }
      start.cancel()
      _ = try? await start.value
      try await eventually("the end of the job") {
        let state = try await Units.property("ActiveState", of: unit)
        return state == "inactive" || state == "failed"
      }
      try await eventually("the end of all children") { nomad.childProcesses.isEmpty }
    }
  }

  @Test func aRestartThatIsCancelledLeavesNoJob() async throws {
    let unit = try await Units.install(
      "[Service]", "ExecStart=/bin/sleep infinity",
      "ExecStop=/bin/sh -c 'test -e /run/NAME.go || sleep 3600'",
      "TimeoutStopSec=1h")
    try await Units.systemctl("start", unit)
    try await Nomad.run { nomad in
      let allocation = try Allocation(
        unit: unit, driverConfig: ["unit": .string(unit), "on_active": "restart"])
      defer { allocation.remove() }
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { _ = try await nomad.calls.startTask(allocation.config) }
        group.addTask {
          try await eventually("the restart job") { try await Units.property("SubState", of: unit) == "stop" }
        }
        // A start that fails is told, rather than waited for.
        try await group.next()
        group.cancelAll()
      }
      try await eventually("the end of the job") { try await Units.property("Job", of: unit).isEmpty }
    }
    try Units.go(unit)
    try await Units.systemctl("kill", "--signal=KILL", unit)
  }

  // MARK: Names

  @Test func anAliasIsTheSameUnit() async throws {
    let unit = try await Units.install("[Service]", "ExecStart=/bin/sleep infinity")
    let alias = "alias-of-\(unit)"
    try FileManager.default.createSymbolicLink(
      atPath: "/run/systemd/system/\(alias)", withDestinationPath: "/run/systemd/system/\(unit)")
    try await Units.systemctl("daemon-reload")
    try await Nomad.run { nomad in
      try await nomad.withTask(alias) { task in
        let name = try await task.inspect().driverAttributes["unit"]
        #expect(name == unit)
        let text = self.recoverable(try await self.failure(nomad, unit))
        #expect(text?.contains(task.allocation.config.allocationID) == true)
      }
    }
  }
}
