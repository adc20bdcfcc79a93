import Foundation
import MessagePack
import NomadPlugin
import NomadTestSupport
import TestHelpers
import Testing

/// How units have ended, where systemd does not say it in one word.
@Suite(.needsSystemd, .limitedParallelism) struct EndTests {
  private static let withoutLogs: [String: MessagePackValue] = ["disable_log_collection": true]

  private func end(_ unit: String, _ options: [String: MessagePackValue] = [:]) async throws -> ExitResult {
    try await Nomad.run { nomad in try await nomad.withTask(unit, options) { try await $0.wait() } }
  }

  // MARK: Failures that are reset

  /// As fast as a unit can do it, with logs and without.
  @Test(arguments: [true, false]) func failuresThatAnotherUnitResets(hasLogs: Bool) async throws {
    let id = UUID().uuidString.lowercased()
    try Units.write(
      ["[Service]", "Type=oneshot", "ExecStart=systemctl reset-failed m-\(id)@%i.service"],
      to: "mr-\(id)@.service")
    try Units.write(
      ["[Unit]", "OnFailure=mr-\(id)@%i.service", "[Service]", "ExecStart=/bin/sh -c 'sleep 0.3; exit 7'"],
      to: "m-\(id)@.service")
    try await Units.systemctl("daemon-reload")
    try await Nomad.run { nomad in
      let results = try await withThrowingTaskGroup(of: ExitResult.self) { group in
        for number in 0..<10 {
          group.addTask {
            try await nomad.withTask("m-\(id)@\(number).service", hasLogs ? [:] : Self.withoutLogs) {
              try await $0.wait()
            }
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      for result in results {
        #expect(result.exitCode == 7 && result.message?.contains("exited with status 7") == true, "\(result)")
      }
    }
  }

  @Test func aUnitThatFailsAtOnceAndIsReset() async throws {
    let unit = try await Units.install(
      "[Unit]", "OnFailure=NAME-reset.service", "[Service]", "ExecStart=/bin/sh -c 'exit 7'")
    let reset = unit.replacingOccurrences(of: ".service", with: "-reset.service")
    try Units.write(["[Service]", "Type=oneshot", "ExecStart=systemctl reset-failed \(unit)"], to: reset)
    try await Units.systemctl("daemon-reload")
    for _ in 0..<5 { #expect(try await self.end(unit).exitCode == 7) }
  }

  /// The manager says little and drops what failed: the exit code is not known, and no reason is made up.
  @Test func nobodyTells() async throws {
    let unit = try await Units.install(
      "[Unit]", "CollectMode=inactive-or-failed", "[Service]", "LogLevelMax=crit",
      "ExecStart=/bin/sh -c 'sleep 0.5; exit 7'")
    let result = try await self.end(unit)
    let message = result.message ?? ""
    #expect(result.exitCode == 1 && message.contains("how it ended is not known"), "\(message)")
  }

  // MARK: Restarts that are passed over

  /// Since version 257 conditions are not looked at before a restart.
  @Test(
    arguments: ["ConditionPathExists=!/run/NAME.hold", "AssertPathExists=!/run/NAME.hold"], [true, false])
  func aRestartThatIsPassedOver(setting: String, isReferenced: Bool) async throws {
    guard try await Units.version() < 257 else { return }
    let unit = try await Units.install(
      "[Unit]", setting, "[Service]", "Restart=always", "RestartSec=100ms",
      "ExecStart=/bin/sh -c 'sleep 0.3; touch /run/NAME.hold; exit 7'")
    if isReferenced { try await self.refer(to: unit) }
    let result = try await self.end(unit)
    #expect(result.exitCode == 7 && result.message?.contains("passed over its restart") == true, "\(result)")
  }

  @Test(arguments: [true, false]) func aRestartThatAnExecConditionPassesOver(isReferenced: Bool) async throws
  {
    let unit = try await Units.install(
      "[Service]", "Restart=always", "RestartSec=100ms",
      "ExecCondition=/bin/sh -c '! test -e /run/NAME.hold'",
      "ExecStart=/bin/sh -c 'sleep 0.3; touch /run/NAME.hold; exit 7'")
    if isReferenced { try await self.refer(to: unit) }
    let result = try await self.end(unit)
    #expect(result.exitCode == 7 && result.message?.contains("passed over its restart") == true, "\(result)")
  }

  @Test(arguments: [true, false]) func aStopInThePauseBeforeARestart(isQuiet: Bool) async throws {
    let unit = try await Units.install(
      "[Service]", "Restart=always", "RestartSec=300", "LogLevelMax=\(isQuiet ? "crit" : "debug")",
      "ExecStart=/bin/sh -c 'sleep 0.3; exit 7'")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        try await eventually("the pause") {
          try await task.inspect().driverAttributes["sub_state"] == "auto-restart"
        }
        try await Units.systemctl("stop", unit)
        let result = try await task.wait()
        // Where nothing tells a stop and a failure apart, it is the failure.
        #expect(result.exitCode == (isQuiet ? 7 : 0), "\(result)")
      }
      try await nomad.withTask(unit) { task in
        try await eventually("the pause") {
          try await task.inspect().driverAttributes["sub_state"] == "auto-restart"
        }
        try await task.calls.stopTask(task.id, timeout: .seconds(60))
        #expect(try await task.wait() == ExitResult(exitCode: 0))
      }
    }
  }

  /// Keeps systemd from unloading a unit.
  private func refer(to unit: String) async throws {
    let other = try await Units.install("[Unit]", "After=\(unit)", "[Service]", "ExecStart=/bin/sleep 600")
    try await Units.systemctl("start", other)
  }

  // MARK: Blame

  @Test(
    arguments: [
      (["ExecStop=/bin/sh -c 'exit 9'"], 9, "ExecStop="),
      (["ExecStopPost=/bin/sh -c 'exit 9'"], 9, "ExecStopPost="),
      (["ExecStopPost=/bin/sh -c 'kill -9 $$$$'"], 137, "ExecStopPost="),
      (
        ["ExecStop=-/bin/sh -c 'exit 4'", "ExecStopPost=/bin/sh -c 'exit 9'", "SuccessExitStatus=5"], 9,
        "ExecStopPost="
      ),
    ], ["debug", "crit"])
  func whichCommandFailed(command: ([String], Int32, String), logLevel: String) async throws {
    let unit = try await Units.install(
      ([
        "[Service]", "LogLevelMax=\(logLevel)",
        "ExecStart=/bin/sh -c 'trap \"exit 0\" TERM; while :; do sleep 0.05; done'",
      ]
        + command.0).joined(separator: "\n"))
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        // A daemon-reload has systemd forget how commands ended.
        let result = try await Units.withoutReload {
          try await task.calls.stopTask(task.id, timeout: .seconds(60))
          return try await task.wait()
        }
        #expect(result.exitCode == command.1, "\(result)")
        #expect(result.message?.contains("its command \(command.2) ") == true, "\(result)")
      }
    }
    try await Units.systemctl("reset-failed", unit)
  }

  @Test func anExecStartPostThatFailsFailsTheStart() async throws {
    let unit = try await Units.install(
      "[Service]", "ExecStart=/bin/sleep 600", "ExecStartPost=/bin/sh -c 'exit 9'")
    try await Nomad.run { nomad in
      let allocation = try Allocation(unit: unit)
      defer { allocation.remove() }
      let error = try await #require(throws: DriverError.self) {
        _ = try await nomad.calls.startTask(allocation.config)
      }
      #expect(error.description.contains("ExecStartPost= exited with status 9"), "\(error)")
    }
    try await Units.systemctl("reset-failed", unit)
  }

  // MARK: Starts that are skipped

  @Test(arguments: ["ConditionPathExists=/no/such/path", "ExecCondition=/bin/false"])
  func aStartThatIsSkippedInSilence(setting: String) async throws {
    let section = setting.hasPrefix("Exec") ? "[Service]" : "[Unit]"
    let unit = try await Units.install(
      section, setting, "[Service]", "LogLevelMax=notice", "ExecStart=/bin/sh -c 'touch /run/NAME.ran'")
    try await self.expectSkipped(unit)
  }

  @Test func aConditionThatHoldsInSilence() async throws {
    let unit = try await Units.install(
      "[Unit]", "ConditionPathExists=/etc", "[Service]", "LogLevelMax=crit", "ExecStart=/bin/true")
    guard try await Units.version() >= 250 else { return }
    #expect(try await self.end(unit).exitCode == 0)
  }

  /// The unit keeps the result of its last run, which is not this start's.
  @Test(arguments: ["debug", "crit"]) func aSkippedStartOfAUnitThatHasFailed(logLevel: String) async throws {
    let unit = try await Units.install(
      "[Unit]", "ConditionPathExists=!/run/NAME.hold", "[Service]", "LogLevelMax=\(logLevel)",
      "ExecStart=/bin/sh -c 'exit 7'")
    try await Units.systemctl("start", unit)
    try await eventually("the failure") { try await Units.property("ActiveState", of: unit) == "failed" }
    let name = unit.replacingOccurrences(of: ".service", with: "")
    try await Units.command("touch", "/run/\(name).hold")
    try await self.expectSkipped(unit)
    try await Units.systemctl("reset-failed", unit)
  }

  private func expectSkipped(_ unit: String) async throws {
    try await Nomad.run { nomad in
      let allocation = try Allocation(unit: unit)
      defer { allocation.remove() }
      let error = try await #require(throws: DriverError.self) {
        _ = try await nomad.calls.startTask(allocation.config)
      }
      guard case .recoverable(let text) = error else { return #expect(Bool(false), "\(error)") }
      #expect(text.contains("did nothing"), "\(text)")
    }
  }

  // MARK: Stops

  @Test(arguments: ["upholds", "path"]) func aUnitThatIsStartedAgainAtOnce(way: String) async throws {
    let version = try await Units.version()
    guard way != "upholds" || version >= 249 else { return }
    let unit = try await Units.install(
      "[Unit]", "StartLimitIntervalSec=0", "[Service]", "ExecStart=/bin/sleep 600")
    let starter =
      way == "upholds"
      ? try await Units.install("[Unit]", "Upholds=\(unit)", "[Service]", "ExecStart=/bin/sleep 600")
      : try await Units.install("[Path]", "PathExists=/etc", "Unit=\(unit)", suffix: "path")
    try await Units.systemctl("start", starter)
    try await eventually("the unit") { try await Units.property("ActiveState", of: unit) == "active" }
    try await Nomad.run { nomad in
      try await nomad.withEvents { events in
        try await nomad.withTask(unit) { task in
          try await task.calls.stopTask(task.id, timeout: .seconds(60))
          #expect(try await task.wait() == ExitResult(exitCode: 0))
          try await eventually("the event") {
            events.all.contains { $0.message.contains("was started again at once, perhaps by \(starter)") }
          }
          try await task.calls.destroyTask(task.id, force: false)
        }
      }
    }
    try await Units.systemctl("stop", starter)
    try await Units.systemctl("stop", unit)
  }

  @Test func aFrozenUnitIsStopped() async throws {
    let unit = try await Units.install("[Service]", "ExecStart=/bin/sleep 600")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        // Without the freezer of control groups version 2 nothing freezes, and the unit is stopped all the same.
        _ = try? await Units.systemctl("freeze", unit)
        try await task.calls.stopTask(task.id, timeout: .seconds(2))
        _ = try await task.wait()
        #expect(try await Units.property("ActiveState", of: unit) != "active")
      }
    }
  }
}
