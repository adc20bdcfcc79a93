import Foundation
import NomadTestSupport
import Processes
import TestHelpers
import Testing

@testable import Systemd

/// `Systemctl` and `Journalctl` against the systemd of the machine, as root: it makes and removes units in `/run/systemd/system`.
@Suite(.needsSystemd, .serialized)
struct RealSystemdTests {
  private let runner = ProcessCommandRunner(logger: quietLogger)
  private let systemctl: Systemctl
  private let journalctl: Journalctl

  init() {
    systemctl = Systemctl(runner: runner)
    journalctl = Journalctl(runner: runner, logger: quietLogger)
  }

  /// Runs a test with a unit of its own.
  private func withUnit(_ content: String, _ body: (UnitName) async throws -> Void) async throws {
    try await withUnit(bytes: Array(content.utf8), body)
  }

  private func withUnit(bytes: [UInt8], _ body: (UnitName) async throws -> Void) async throws {
    let unit = try UnitName("systemd-tests-\(UUID().uuidString.lowercased())")
    let path = "/run/systemd/system/\(unit)"
    try FileManager.default.createDirectory(atPath: "/run/systemd/system", withIntermediateDirectories: true)
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    try await reload()
    let result: Result<Void, any Error>
    do {
      result = .success(try await body(unit))
    } catch {
      result = .failure(error)
    }
    try? await systemctl.stop(unit, timeLimit: .seconds(30))
    try? await systemctl.resetFailed(unit)
    try FileManager.default.removeItem(atPath: path)
    try await reload()
    try result.get()
  }

  /// By `Units`, since a reload makes systemd forget starts that other tests have it count.
  private func reload() async throws { try await Units.systemctl("daemon-reload") }

  private func eventuallyShows(_ unit: UnitName, _ condition: (UnitStatus) -> Bool) async throws -> UnitStatus
  {
    var status = try await systemctl.show(unit)
    let deadline = ContinuousClock.now + .seconds(60)
    while !condition(status), ContinuousClock.now < deadline {
      try await Task.sleep(for: .milliseconds(20))
      status = try await systemctl.show(unit)
    }
    return status
  }

  /// The error of a call that must fail.
  private func failure(_ body: () async throws -> Void) async -> SystemdError? {
    await #expect(throws: SystemdError.self) { try await body() }
  }

  @Test func tellsVersionAndState() async throws {
    #expect(try await systemctl.version().number >= 247)
    #expect(["running", "degraded", "starting"].contains(try await systemctl.systemState()))
  }

  @Test func showsARunningUnitAndItsEnd() async throws {
    try await withUnit("[Service]\nExecStart=/bin/sleep 600\n") { unit in
      let before = try await systemctl.show(unit)
      #expect(before.loadState == .loaded && before.activeState == .inactive && before.mainProcessID == nil)
      try await systemctl.start(unit)
      let running = try await systemctl.show(unit)
      #expect(running.id == unit.name && running.names == [unit.name])
      #expect(running.activeState == .active && running.subState == "running" && running.result == "success")
      let processID = try #require(running.mainProcessID)
      #expect(exists(processID))
      #expect(running.invocationID?.count == 32)
      #expect(running.controlGroup?.hasSuffix(unit.name) == true)
      #expect(running.fragmentPath == "/run/systemd/system/\(unit)")
      #expect(
        running.stopTimeout != nil && running.serviceType == "simple" && running.killMode == "control-group")
      let started = try #require(running.mainProcessStart)
      #expect(abs(Double(started.microseconds) / 1e6 - Date().timeIntervalSince1970) < 3600)
      #expect(running.activeEnter.map { $0 >= started } == true && running.mainProcessEnd == nil)

      #expect(
        try await systemctl.listUnits([unit]) == [
          unit: UnitListing(loadState: .loaded, activeState: .active, subState: "running")
        ])

      try await systemctl.kill(unit, signal: "SIGKILL", whom: .main)
      let failed = try await eventuallyShows(unit) { $0.activeState == .failed }
      #expect(
        failed.mainProcessExit == .killed(9) && failed.result == "signal" && failed.mainProcessEnd != nil)
      #expect(
        await failure { try await systemctl.kill(unit, signal: "HUP", whom: .main) }?.reason == .noProcess)
      try await systemctl.resetFailed(unit)
      #expect(try await systemctl.show(unit).activeState == .inactive)

      try await systemctl.restart(unit)
      let restarted = try await systemctl.show(unit)
      #expect(restarted.activeState == .active && restarted.invocationID != running.invocationID)
      try await systemctl.stop(unit)
      #expect(try await systemctl.show(unit).activeState == .inactive)
    }
  }

  @Test func showsWhatIsMissingMaskedOrBad() async throws {
    let missing = try UnitName("systemd-tests-\(UUID().uuidString)")
    let status = try await systemctl.show(missing)
    #expect(status.loadState == .notFound && status.loadError?.contains("not found") == true)
    #expect(await failure { try await systemctl.start(missing) }?.reason == .unitNotFound)
    #expect(await failure { try await systemctl.stop(missing) }?.reason == .unitNotFound)
    #expect(await failure { try await systemctl.kill(missing, signal: "TERM") }?.reason == .unitNotFound)

    try await withUnit("") { masked async throws in
      #expect(try await systemctl.show(masked).loadState == .masked)
      #expect(await failure { try await systemctl.start(masked) }?.reason == .unitMasked)
    }
    try await withUnit("[Service]\n") { bad async throws in
      #expect(try await systemctl.show(bad).loadState == .badSetting)
      #expect(await failure { try await systemctl.start(bad) }?.reason == .badUnitFile)
    }
    try await withUnit("[Unit]\nRefuseManualStart=yes\n[Service]\nExecStart=/bin/true\n") { refusing in
      #expect(await failure { try await systemctl.start(refusing) }?.reason == .refused)
    }
  }

  @Test func tellsFailedJobs() async throws {
    try await withUnit("[Service]\nType=oneshot\nExecStart=/bin/sh -c 'exit 7'\n") { unit in
      #expect(await failure { try await systemctl.start(unit) }?.reason == .jobFailed)
      #expect(try await systemctl.show(unit).mainProcessExit == .exited(7))
      try await withUnit("[Unit]\nRequires=\(unit)\nAfter=\(unit)\n[Service]\nExecStart=/bin/true\n") {
        dependent in
        #expect(await failure { try await systemctl.start(dependent) }?.reason == .dependencyFailed)
      }
    }
    try await withUnit("[Service]\nType=notify\nTimeoutStartSec=1\nExecStart=/bin/sleep 600\n") { unit in
      #expect(await failure { try await systemctl.start(unit) }?.reason == .jobTimedOut)
    }
    try await withUnit("[Service]\nType=oneshot\nExecStart=/bin/sleep 600\n") { unit in
      async let end = failure { try await systemctl.start(unit) }
      let job = try #require(
        try await eventuallyShows(unit) { $0.jobID != nil && $0.activeState == .activating }.jobID)
      try await systemctl.cancelJob(job)
      #expect(await end?.reason == .jobCanceled)
    }
  }

  @Test func aUnitWithBytesThatAreNotTextDoesNotHideOthers() async throws {
    try await withUnit("[Service]\nExecStart=/bin/sh -c \"echo \\377; exec sleep 600\"\n") { raw in
      try await withUnit("[Service]\nExecStart=/bin/sleep 600\n") { plain in
        let missing = try UnitName("systemd-tests-missing")
        let answers = try await systemctl.show([plain, raw, missing, raw])
        #expect(try answers[plain]?.get().loadState == .loaded)
        #expect(try answers[missing]?.get().loadState == .notFound)
        #expect(
          #expect(throws: SystemdError.self) { try answers[raw]?.get() }?.reason == .unreadableProperties)
        try await systemctl.start(raw)
        #expect(try await systemctl.listUnits([raw, plain])[raw]?.activeState == .active)
      }
    }
  }

  @Test func followsAUnitFromACursorOnward() async throws {
    // Each start prints text, a line that is not UTF-8, one with an escape character and one of 20,000 bytes.
    let script = "echo plain; printf '\\377\\376x\\n'; printf 'a\\033[31mb\\n'; printf '%%20000s\\n' x"
    try await withUnit(
      "[Service]\nType=oneshot\nExecStart=/bin/bash -c \"\(script.replacingOccurrences(of: "\\", with: "\\\\"))\"\n"
    ) { unit in
      let expected = [
        Array("plain".utf8), [0xff, 0xfe, 0x78], Array("a\u{1b}[31mb".utf8),
        [UInt8](repeating: 0x20, count: 19_999) + [0x78],
      ]
      _ = try #require(try await journalctl.currentCursor())
      try await systemctl.start(unit)
      try await journalctl.sync()
      let first = try await entries(of: unit, after: .beginning) {
        // What PID 1 says may come before the last lines of the unit.
        $0.contains { $0.jobResult == "done" && $0.isLifecycle }
          && $0.count { !$0.isLifecycle } >= expected.count
      }
      #expect(first.filter { !$0.isLifecycle }.map(\.message) == expected)
      let outputs = first.filter { !$0.isLifecycle }
      #expect(outputs.allSatisfy { $0.unit == unit.name && $0.priority == 6 && $0.identifier == "bash" })
      #expect(Set(outputs.map(\.streamID)).count == 1 && outputs.allSatisfy { $0.streamID != nil })
      let lifecycle = first.filter(\.isLifecycle)
      // systemd 262 also says what it cannot do for a unit, which has no ID.
      #expect(
        lifecycle.allSatisfy { $0.subjectUnit == unit.name && $0.messageID.map { $0.count == 32 } != false })
      let invocations = Set(lifecycle.compactMap(\.subjectInvocationID))
      #expect(invocations.count == 1)
      // journald does not know the run of a unit that has ended when it gets to the line.
      #expect(invocations.isSuperset(of: outputs.compactMap(\.invocationID)))

      let last = try #require(first.last)
      async let more = entries(of: unit, after: .after(last.cursor)) { $0.count { !$0.isLifecycle } >= 8 }
      try await systemctl.start(unit)
      try await systemctl.start(unit)
      let second = try await more
      #expect(second.filter { !$0.isLifecycle }.map(\.message) == expected + expected)
      #expect(second.first.map { $0.realtime >= last.realtime && $0.cursor != last.cursor } == true)

      let since = try #require(second.first)
      let third = try await entries(of: unit, after: .since(since.realtime)) { $0.count >= second.count }
      #expect(third.first?.cursor == since.cursor)
      #expect(try await journalctl.currentCursor() != nil)
    }
  }

  @Test func aCursorOfAJournalThatIsGoneStartsAtTheNearestEntry() async throws {
    try await withUnit("[Service]\nType=oneshot\nExecStart=/bin/echo here\n") { unit in
      try await systemctl.start(unit)
      let cursor = try #require(
        JournalCursor("s=00000000000000000000000000000001;i=1;b=00000000000000000000000000000001;m=1;t=1;x=1")
      )
      let found = try await entries(of: unit, after: .after(cursor)) {
        $0.contains { $0.message == Array("here".utf8) }
      }
      #expect(!found.isEmpty)
    }
  }

  /// Follows a unit until the entries so far are enough.
  private func entries(
    of unit: UnitName, after position: JournalPosition, until isEnough: ([JournalEntry]) -> Bool
  ) async throws -> [JournalEntry] {
    struct Enough: Error {}
    var collected: [JournalEntry] = []
    await #expect(throws: Enough.self) {
      try await journalctl.follow([unit], after: position) { entries in
        collected += entries
        if isEnough(collected) { throw Enough() }
      }
    }
    return collected
  }
}
