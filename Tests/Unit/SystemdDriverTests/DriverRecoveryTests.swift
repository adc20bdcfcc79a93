import Foundation
import MessagePack
import NomadPlugin
import Processes
import Systemd
import TestHelpers
import Testing

@testable import SystemdDriver

/// Tasks that an earlier process of the plugin has started.
@Suite(.timeLimit(.minutes(1))) struct DriverRecoveryTests {
  private let systemd = FakeSystemd()
  private let web: FakeSystemd.Unit

  init() { self.web = self.systemd.add("web.service") }

  /// Starts a task with a driver that is gone afterwards.
  private func handle(_ attributes: [String: MessagePackValue] = [:]) async throws -> TaskHandle {
    try await withDriver(self.systemd) { driver, _ in
      let handle = try await driver.startTask(.test(unit: "web", attributes))
      try await driver.event("Started web.service")
      return handle
    }
  }

  @Test func aUnitThatRuns() async throws {
    let handle = try await self.handle()
    try await withDriver(self.systemd) { driver, systemd in
      try await driver.recoverTask(handle)
      let event = try await driver.event("Recovered web.service")
      #expect(event.annotations["state"] == "active")
      #expect(try await driver.inspectTask(handle.config.id).state == .running)
      // Nomad may ask again.
      try await driver.recoverTask(handle)
      self.web.exit(7)
      #expect(try await driver.waitTask(handle.config.id).exitCode == 7)
      #expect(self.web.state.runCount == 1 && systemd.commands(.start).count == 1)
      #expect(try await driver.lastEvents() == ["Recovered web.service"])
    }
  }

  @Test func aRecoveredTaskIsStopped() async throws {
    let handle = try await self.handle()
    try await withDriver(self.systemd) { driver, _ in
      try await driver.recoverTask(handle)
      try await driver.stopTask(handle.config.id, timeout: .seconds(60), signal: nil)
      #expect(!self.web.state.isUp)
      #expect(try await driver.waitTask(handle.config.id) == ExitResult(exitCode: 0))
    }
  }

  /// What somebody has reset, and what ended cleanly, systemd has forgotten: the journal tells it, if it tells anything.
  @Test(
    arguments: [
      (7, false, true, 7), (7, false, false, 7), (0, false, true, 0), (7, true, true, 7), (7, true, false, 0),
    ] as [(Int32, Bool, Bool, Int32)])
  func aUnitThatHasEndedMeanwhile(status: Int32, isReset: Bool, isLogged: Bool, expected: Int32) async throws
  {
    let handle = try await self.handle()
    self.systemd.setLogsLifecycle(isLogged)
    self.web.exit(status)
    if isReset { self.web.update { $0.resetFailed() } }
    try await withDriver(self.systemd) { driver, _ in
      try await driver.recoverTask(handle)
      #expect(try await driver.waitTask(handle.config.id).exitCode == expected)
      #expect(self.web.state.runCount == 1)
    }
  }

  @Test func aUnitThatSomebodyHasRestartedMeanwhile() async throws {
    let handle = try await self.handle()
    let state = try DriverState(handle.driverState)
    let first = try #require(self.web.state.invocationID)
    self.web.update {
      $0.request(.stop)
      $0.request(.start)
    }
    // The handle is made when the start is answered, which may be before the run was seen.
    var known = handle
    known.driverState = try DriverState(
      unit: state.unit, logs: state.logs, bootID: state.bootID, invocationID: first,
      startedAt: state.startedAt
    ).encoded
    let recovered = known
    try await withDriver(self.systemd) { driver, _ in
      try await driver.recoverTask(recovered)
      try await driver.event("web.service was restarted by somebody else")
      #expect(try await driver.inspectTask(handle.config.id).state == .running)
    }
  }

  @Test func aMachineThatWasRestarted() async throws {
    var handle = try await self.handle()
    handle.driverState = try DriverState(unit: "web.service", logs: .beginning, bootID: "another").encoded
    let other = handle
    try await withDriver(self.systemd) { driver, _ async throws in
      let error = await #expect(throws: DriverError.self) { try await driver.recoverTask(other) }
      #expect(error?.isRecoverable == true && error?.description.contains("restarted since") == true)
      #expect(try await !driver.knows(other.config.id))
    }
  }

  /// `systemctl soft-reboot` keeps the boot ID.
  @Test func aMachineWhoseServicesWereAllRestarted() async throws {
    let target = self.systemd.add("sysinit.target")
    target.request(.start)
    let handle = try await self.handle()
    // Nothing has happened.
    try await withDriver(self.systemd) { driver, _ in try await driver.recoverTask(handle) }
    target.request(.restart)
    try await withDriver(self.systemd) { driver, _ async throws in
      let error = await #expect(throws: DriverError.self) { try await driver.recoverTask(handle) }
      #expect(error?.isRecoverable == true && error?.description.contains("soft-reboot") == true)
      #expect(try await !driver.knows(handle.config.id))
    }
  }

  @Test(
    arguments: [
      ([], "does not hold a state"), (Array("{}".utf8), "does not hold a state"),
      (Array("{\"unit\":\"web.service\",\"version\":99}".utf8), "version 99"),
      (Array("{\"unit\":\"../web\",\"version\":1}".utf8), "names no unit"),
    ] as [([UInt8], String)])
  func aHandleOfAnotherForm(driverState: [UInt8], text: String) async throws {
    try await withDriver(self.systemd) { driver, systemd in
      let handle = TaskHandle(config: try .test(unit: "web"), driverState: driverState)
      let error = await #expect(throws: DriverError.self) { try await driver.recoverTask(handle) }
      #expect(error?.isUnrecoverable == true && error?.description.contains(text) == true)
      #expect(try await !driver.knows(handle.config.id))
      #expect(systemd.commands.isEmpty)
    }
  }

  @Test func aUnitThatThePolicyDeniesByNow() async throws {
    let handle = try await self.handle()
    try await withDriver(self.systemd, ["denied_units": ["web.service"]]) { driver, _ async throws in
      let error = await #expect(throws: DriverError.self) { try await driver.recoverTask(handle) }
      #expect(error?.isUnrecoverable == true)
      #expect(try await !driver.knows(handle.config.id))
      #expect(self.web.state.activeState == .active)
    }
  }

  @Test func aUnitThatIsAnAliasOfADeniedOneByNow() async throws {
    let handle = try await self.handle()
    let later = FakeSystemd()
    let secret = later.add("secret.service") {
      $0.aliases = ["web.service"]
      $0.request(.start)
    }
    try await withDriver(later, ["denied_units": ["secret.service"]]) { driver, _ async throws in
      await #expect(throws: DriverError.self) { try await driver.recoverTask(handle) }
      #expect(try await !driver.knows(handle.config.id))
      #expect(secret.state.activeState == .active)
    }
  }

  @Test func systemdCannotBeAsked() async throws {
    let handle = try await self.handle()
    self.systemd.fail(.show, .accessDenied)
    self.systemd.fail(.listUnits, .accessDenied)
    try await withDriver(self.systemd) { driver, systemd in
      // Nomad would start the task anew if this failed.
      try await driver.recoverTask(handle)
      systemd.recover(.show)
      systemd.recover(.listUnits)
      try await driver.event("Recovered web.service")
      self.web.exit(7)
      #expect(try await driver.waitTask(handle.config.id).exitCode == 7)
    }
  }

  // MARK: Logs

  @Test func theLogsGoOnWhereTheyWere() async throws {
    let allocation = try Allocation(unit: "web")
    defer { allocation.remove() }
    let handle = try await withDriver(self.systemd) { driver, _ in
      let handle = try await driver.startTask(allocation.config)
      self.web.print("first", "second")
      try await eventually("two lines") { allocation.lines.count == 2 }
      return handle
    }
    self.web.print("third")
    try await withDriver(self.systemd) { driver, _ in
      try await driver.recoverTask(handle)
      try await eventually("the third line") { allocation.lines.count == 3 }
      self.web.print("fourth")
      self.web.exit(0)
      _ = try await driver.waitTask(handle.config.id)
      #expect(try await allocation.allLines() == ["first", "second", "third", "fourth"])
      try await driver.destroyTask(handle.config.id, force: false)
    }
  }

  @Test func theLogsCannotBeDelivered() async throws {
    var handle = try await self.handle()
    handle.config.stdoutPath = "/no/such/directory/stdout"
    handle.config.stderrPath = "/no/such/directory/stderr"
    let other = handle
    try await withDriver(self.systemd) { driver, _ in
      try await driver.recoverTask(other)
      try await driver.event("The logs of web.service cannot be followed")
      self.web.exit(7)
      #expect(try await driver.waitTask(other.config.id).exitCode == 7)
    }
  }
}
