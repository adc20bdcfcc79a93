import AsyncPrimitives
import Foundation
import MessagePack
import NomadPlugin
import Processes
import Systemd
import TestHelpers
import Testing

@testable import SystemdDriver

/// When a start is answered, and which units are refused.
@Suite(.timeLimit(.minutes(1))) struct DriverStartTests {
  @Test func aService() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let handle = try await driver.startTask(.test(unit: "web"))
      #expect(web.state.activeState == .active && web.state.runCount == 1)
      let state = try DriverState(handle.driverState)
      #expect(handle.state == .running && state.unit == "web.service" && state.bootID == BootID.current)
      #expect(try await driver.inspectTask(handle.config.id).state == .running)
      #expect(try await driver.event("Started web.service").taskID == handle.config.id)
    }
  }

  @Test(arguments: [0, 3, 7] as [Int32]) func aOneshotThatHasEndedWhenItsStartIsAnswered(status: Int32)
    async throws
  {
    try await withDriver { driver, systemd in
      systemd.add("job.service") {
        $0.serviceType = "oneshot"
        $0.exitsAtOnce = .exited(status)
      }
      let id = try await driver.start("job")
      #expect(try await driver.waitTask(id).exitCode == status)
      #expect(try await driver.lastEvents() == ["Started job.service"])
    }
  }

  @Test(arguments: [0, 3] as [Int32]) func aOneshotIsAnsweredWhenItsProgramRuns(status: Int32) async throws {
    try await withDriver { driver, systemd in
      let job = systemd.add("job.service") {
        $0.serviceType = "oneshot"
        $0.mainProcessID = FakeUnit.unusedProcessID
      }
      let id = try await driver.start("job")
      #expect(job.state.activeState == .activating && job.state.job != nil)
      #expect(try await driver.inspectTask(id).state == .running)
      job.exit(status)
      #expect(try await driver.waitTask(id).exitCode == status)
    }
  }

  @Test func aServiceThatNotifiesIsAnsweredWhenItIsReady() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service") { $0.serviceType = "notify" }
      let answered = Promise<Void>()
      let start = Task {
        defer { answered.fulfil(()) }
        return try await driver.start("web")
      }
      // Before the start, and twice while it is under way.
      try await eventually("three times show") { systemd.commands(.show).count >= 3 }
      #expect(web.state.activeState == .activating && answered.current == nil)
      web.update { $0.becomeReady() }
      let id = try await start.value
      web.exit(7)
      #expect(try await driver.waitTask(id).exitCode == 7)
    }
  }

  @Test func aStartJobThatWaitsForOtherUnits() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service") { $0.waitsForOthers = true }
      let start = Task { try await driver.start("web") }
      try await eventually("the job") { web.state.job != nil }
      #expect(!web.state.isUp)
      web.update { $0.stopWaitingForOthers() }
      let id = try await start.value
      #expect(web.state.activeState == .active)
      #expect(try await driver.inspectTask(id).state == .running)
    }
  }

  @Test func aServiceThatEndsBeforeItIsReady() async throws {
    try await withDriver { driver, systemd in
      systemd.add("web.service") {
        $0.serviceType = "notify"
        $0.exitsAtOnce = .exited(5)
      }
      let config = try TaskConfig.test(unit: "web")
      let error = await #expect(throws: DriverError.self) { try await driver.startTask(config) }
      #expect(error?.isRecoverable == true)
      #expect(error?.description.contains("Job for web.service failed") == true)
      #expect(error?.description.contains("exited with status 5") == true)
      #expect(try await !driver.knows(config.id))
    }
  }

  @Test func aProgramThatSystemdCannotRun() async throws {
    try await withDriver { driver, systemd in
      systemd.add("job.service") {
        $0.serviceType = "oneshot"
        $0.exitsAtOnce = .exited(203)
      }
      let error = await #expect(throws: DriverError.self) { try await driver.start("job") }
      #expect(error?.description.contains("EXEC: the program cannot be executed") == true)
    }
  }

  @Test(arguments: ["backup.timer", "web.target"]) func unitsWithoutProcesses(name: String) async throws {
    try await withDriver { driver, systemd in
      let unit = systemd.add(name)
      let id = try await driver.start(name)
      #expect(unit.state.activeState == .active)
      try await driver.stopTask(id, timeout: .seconds(60), signal: nil)
      #expect(!unit.state.isUp)
      #expect(try await driver.waitTask(id) == ExitResult(exitCode: 0))
    }
  }

  @Test(
    arguments: [
      (.notFound, "systemctl list-unit-files"), (.masked, "systemctl unmask web.service"),
      (.badSetting, "systemd-analyze verify web.service"), (.error, "systemctl status web.service"),
    ] as [(LoadState, String)])
  func aUnitThatIsNotLoaded(state: LoadState, hint: String) async throws {
    try await withDriver { driver, systemd in
      systemd.add("web.service") { $0.loadState = state }
      let config = try TaskConfig.test(unit: "web")
      let error = await #expect(throws: DriverError.self) { try await driver.startTask(config) }
      #expect(error?.isUnrecoverable == true && error?.description.contains(hint) == true)
      #expect(systemd.commands(.start).isEmpty)
      #expect(try await !driver.knows(config.id))
    }
  }

  @Test(arguments: ["web.service", "dbus.service"]) func aUnitThatThePolicyDenies(name: String) async throws {
    try await withDriver(FakeSystemd(), ["denied_units": ["web.service"]]) { driver, systemd in
      systemd.add(name)
      let error = await #expect(throws: DriverError.self) { try await driver.start(name) }
      #expect(error?.isUnrecoverable == true && error?.description.contains("may not be a task's") == true)
      #expect(systemd.commands.isEmpty)
    }
  }

  /// Neither by another name of a unit that is denied, nor by the name that is not.
  @Test(arguments: [("secret.service", "web.service"), ("web.service", "secret.service")])
  func aUnitThatIsDeniedByAnotherName(name: String, alias: String) async throws {
    try await withDriver(FakeSystemd(), ["denied_units": ["secret.service"]]) { driver, systemd in
      let unit = systemd.add(name) { $0.aliases = [alias] }
      let error = await #expect(throws: DriverError.self) { try await driver.start("web") }
      #expect(error?.isUnrecoverable == true)
      #expect(error?.description.contains("\"secret.service\" in the plugin option denied_units") == true)
      #expect(unit.state.runCount == 0)
    }
  }

  @Test func anAliasStandsForTheUnit() async throws {
    try await withDriver { driver, systemd in
      systemd.add("real.service") { $0.aliases = ["web.service"] }
      let id = try await driver.start("web")
      #expect(systemd.commands(.start).map(\.operands) == [["real.service"]])
      #expect(try await driver.inspectTask(id).driverAttributes["unit"] == "real.service")
      let error = await #expect(throws: DriverError.self) { try await driver.start("real") }
      #expect(error?.description.contains("already") == true)
    }
  }

  @Test func aUnitThatIsAnotherTasks() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let first = try TaskConfig.test(unit: "web")
      _ = try await driver.startTask(first)
      let second = try TaskConfig.test(unit: "web")
      let error = await #expect(throws: DriverError.self) { try await driver.startTask(second) }
      #expect(error?.isRecoverable == true)
      #expect(error?.description.contains("'main' of the allocation \(first.allocationID)") == true)
      #expect(try await !driver.knows(second.id))
      // The first one is as it was, and the second can have the unit when that has ended.
      web.exit(7)
      #expect(try await driver.waitTask(first.id).exitCode == 7)
      _ = try await driver.startTask(second)
      #expect(web.state.runCount == 2)
    }
  }

  @Test func aTaskIsStartedOnce() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      let config = try TaskConfig.test(unit: "web")
      _ = try await driver.startTask(config)
      let error = await #expect(throws: DriverError.self) { try await driver.startTask(config) }
      #expect(error?.isUnrecoverable == true && error?.description.contains("started already") == true)
      #expect(web.state.runCount == 1)
      web.exit(3)
      #expect(try await driver.waitTask(config.id).exitCode == 3)
    }
  }

  // MARK: A unit that is active already

  @Test func isAdopted() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service") { $0.request(.start) }
      let id = try await driver.start("web")
      #expect(web.state.runCount == 1 && systemd.commands(.start).isEmpty)
      try await driver.event("web.service was already active and is now the task's")
      web.exit(7)
      #expect(try await driver.waitTask(id).exitCode == 7)
    }
  }

  @Test func isNotRunAgainIfItEndsWhileItIsAdopted() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service") { $0.request(.start) }
      let show = systemd.hold(.show, .after)
      let start = Task { try await driver.start("web") }
      try await show.arrived()
      web.exit(7)
      show.resume()
      #expect(try await driver.waitTask(try await start.value).exitCode == 7)
      #expect(web.state.runCount == 1)
    }
  }

  @Test func isRestarted() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service") { $0.request(.start) }
      let id = try await driver.start("web", ["on_active": "restart"])
      #expect(web.state.runCount == 2 && systemd.commands(.restart).count == 1)
      #expect(systemd.commands(.start).isEmpty)
      try await driver.event("Restarted web.service, which was already active")
      web.exit(7)
      #expect(try await driver.waitTask(id).exitCode == 7)
    }
  }

  @Test func isRefused() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service") { $0.request(.start) }
      let error = await #expect(throws: DriverError.self) {
        try await driver.start("web", ["on_active": "fail"])
      }
      #expect(error?.isRecoverable == true && error?.description.contains("on_active") == true)
      #expect(web.state.activeState == .active && web.state.runCount == 1)
    }
  }

  // MARK: Conditions

  @Test(arguments: [("start", "did nothing"), ("restart", "did no more than stop it")])
  func aConditionThatIsNotMet(verb: String, consequence: String) async throws {
    try await withTemporaryDirectory { directory in
      let file = "\(directory)/web.service"
      try Data("[Unit]\nConditionPathExists=/no/such/path\n".utf8).write(to: URL(fileURLWithPath: file))
      try await withDriver { driver, systemd in
        let web = systemd.add("web.service") { unit in
          unit.fragmentPath = file
          if verb == "restart" { unit.request(.start) }
          unit.unmetCondition = "ConditionPathExists=/no/such/path"
        }
        let config = try TaskConfig.test(unit: "web", ["on_active": "restart"])
        let error = await #expect(throws: DriverError.self) { try await driver.startTask(config) }
        #expect(error?.isRecoverable == true)
        #expect(error?.description.contains("systemctl \(verb) web.service \(consequence)") == true)
        #expect(error?.description.contains("(ConditionPathExists=/no/such/path)") == true)
        #expect(try await !driver.knows(config.id))
        #expect(!web.state.isUp)
      }
    }
  }

  /// systemctl says nothing of conditions: only a unit whose file has some needs another look.
  @Test(arguments: [("[Unit]\nConditionPathExists=/\n", 1), ("[Service]\n", 0)])
  func aUnitThatMayHaveConditions(text: String, count: Int) async throws {
    try await withTemporaryDirectory { directory in
      let file = "\(directory)/job.service"
      try Data(text.utf8).write(to: URL(fileURLWithPath: file))
      try await withDriver { driver, systemd in
        systemd.add("job.service") {
          $0.fragmentPath = file
          $0.exitsAtOnce = .exited(0)
        }
        try await driver.withLoggedTask("job") { allocation in
          let result = try await driver.waitTask(allocation.config.id)
          #expect(result == ExitResult(exitCode: 0))
          #expect(systemd.commands(.journalHistory).count == count)
        }
      }
    }
  }

  // MARK: Options

  @Test(
    arguments: [
      (["unit": "a/b"], "unit"), (["unit": "web", "on_active": "perhaps"], "on_active"),
      (["unit": "web", "on_stop": 3], "on_stop"), ([:], "unit"),
    ] as [([String: MessagePackValue], String)])
  func anOptionThatIsNotUnderstood(attributes: [String: MessagePackValue], name: String) async throws {
    try await withDriver { driver, systemd in
      let config = try TaskConfig.test(MessagePackValue(attributes))
      let error = await #expect(throws: DriverError.self) { try await driver.startTask(config) }
      #expect(error?.isUnrecoverable == true && error?.description.contains(name) == true)
      #expect(systemd.commands.isEmpty)
    }
  }

  @Test func aDriverThatIsDisabled() async throws {
    try await withDriver(FakeSystemd(), ["enabled": false]) { driver, systemd in
      systemd.add("web.service")
      let error = await #expect(throws: DriverError.self) { try await driver.start("web") }
      #expect(error?.isUnrecoverable == true && error?.description.contains("disabled") == true)
    }
  }

  @Test func aDriverThatIsNotConfigured() async throws {
    let driver = SystemdDriver(version: "1", runner: FakeSystemd(), logger: quietLogger)
    let error = await #expect(throws: DriverError.self) { try await driver.start("web") }
    #expect(error?.isRecoverable == true)
  }
}
