import TestHelpers
import Testing

@testable import Systemd

@Suite struct UnitStatusTests {
  /// What systemctl of systemd 252 prints, two units and an empty line between them.
  private static let output = """
    Type=simple
    TimeoutStopUSec=1min 30s
    RemainAfterExit=no
    MainPID=78
    ControlPID=0
    StatusText=Processing requests...
    StatusErrno=0
    Result=exit-code
    NRestarts=3
    ExecMainStartTimestamp=Sun 2026-11-22 17:11:40.452823 UTC
    ExecMainExitTimestamp=
    ExecMainCode=1
    ExecMainStatus=7
    ControlGroup=/system.slice/web.service
    MemoryCurrent=[not set]
    MemoryPeak=18446744073709551615
    MemorySwapCurrent=[not set]
    CPUUsageNSec=25485000
    TasksCurrent=4
    KillMode=control-group
    Id=web.service
    Names=web.service www.service
    Triggers=
    TriggeredBy=web.socket web.timer
    LoadState=loaded
    ActiveState=active
    SubState=running
    FragmentPath=/lib/systemd/system/web.service
    UnitFileState=static
    StateChangeTimestamp=Sun 2026-11-22 17:11:40.474197 UTC
    InactiveExitTimestamp=Sun 2026-11-22 17:11:40.452854 UTC
    ActiveEnterTimestamp=Sun 2026-11-22 17:11:40 UTC
    ActiveExitTimestamp=
    InactiveEnterTimestamp=n/a
    Job=682
    NeedDaemonReload=yes
    CollectMode=inactive
    DropInPaths=
    LoadError=
    InvocationID=ec15edc3920d466e83d00c44fba8ff15

    Id=nope.service
    Names=nope.service
    MainPID=0
    Job=
    LoadState=not-found
    ActiveState=inactive
    SubState=dead
    ExecMainCode=0
    ExecMainStatus=0
    LoadError=org.freedesktop.systemd1.NoSuchUnit "Unit nope.service not found."
    TimeoutStopUSec=infinity

    """

  @Test func readsARunningAndAMissingUnit() throws {
    let units = try UnitStatus.parse(Array(Self.output.utf8))
    #expect(units.map(\.id) == ["web.service", "nope.service"])
    let web = try #require(units.first)
    #expect(web.names == ["web.service", "www.service"])
    #expect(web.loadState == .loaded && web.activeState == .active && web.subState == "running")
    #expect(web.loadError == nil)
    #expect(web.fragmentPath == "/lib/systemd/system/web.service")
    #expect(web.unitFileState == "static")
    #expect(web.serviceType == "simple")
    #expect(web.invocationID == "ec15edc3920d466e83d00c44fba8ff15")
    #expect(web.mainProcessID == 78 && web.controlProcessID == nil)
    #expect(web.controlGroup == "/system.slice/web.service")
    #expect(web.result == "exit-code" && web.mainProcessExit == .exited(7))
    #expect(web.mainProcessStart?.microseconds == 1_795_367_500_452_823 && web.mainProcessEnd == nil)
    #expect(web.activeEnter?.microseconds == 1_795_367_500_000_000 && web.activeExit == nil)
    #expect(web.inactiveExit?.microseconds == 1_795_367_500_452_854 && web.inactiveEnter == nil)
    #expect(web.stateChange?.microseconds == 1_795_367_500_474_197)
    #expect(web.restartCount == 3 && web.needsDaemonReload == true)
    #expect(web.remainsAfterExit == false)
    #expect(web.cpuUsageNanoseconds == 25_485_000 && web.memoryCurrent == nil && web.memoryPeak == nil)
    #expect(web.memorySwapCurrent == nil)
    #expect(web.tasksCurrent == 4)
    #expect(web.triggeredBy == ["web.socket", "web.timer"] && web.triggers == [])
    #expect(web.jobID == 682)
    #expect(web.stopTimeout == .finite(.seconds(90)) && web.killMode == "control-group")
    #expect(web.statusText == "Processing requests..." && web.statusErrno == nil)

    let nope = try #require(units.last)
    #expect(nope.loadState == .notFound && nope.loadError == "Unit nope.service not found.")
    #expect(nope.mainProcessID == nil && nope.mainProcessExit == nil && nope.jobID == nil)
    #expect(nope.stopTimeout == .infinity && nope.memoryCurrent == nil && nope.needsDaemonReload == nil)
  }

  @Test func everyRequestedPropertyIsThereOnce() {
    #expect(Set(UnitStatus.requestedProperties).count == UnitStatus.requestedProperties.count)
    let printed = Set(
      Self.output.split(separator: "\n").compactMap { $0.split(separator: "=").first.map(String.init) })
    // A service has no property of sockets.
    #expect(printed.union(["Accept"]) == Set(UnitStatus.requestedProperties))
  }

  @Test(
    arguments: [
      (1, 0, .exited(0)), (2, 9, .killed(9)), (3, 11, .dumped(11)), (0, 0, nil), (4, 1, nil), (1, 256, nil),
      (2, Int(Int32.max), nil),
    ]
      as [(Int, Int, MainProcessExit?)])
  func tellsHowTheMainProcessEnded(code: Int, status: Int, exit: MainProcessExit?) throws {
    let unit = try UnitStatus(properties: [
      "Id": "a", "ExecMainCode": "\(code)", "ExecMainStatus": "\(status)",
    ])
    #expect(unit.mainProcessExit == exit)
  }

  @Test(arguments: [
    "active", "reloading", "inactive", "failed", "activating", "deactivating", "maintenance", "refreshing",
    "new",
  ])
  func activeStatesAreSystemdsWords(word: String) {
    let state = ActiveState(word)
    #expect(state.description == word)
    #expect((state == .unknown(word)) == (word == "new"))
    #expect(state.isDown == ["inactive", "failed"].contains(word))
  }

  @Test(arguments: ["stub", "loaded", "not-found", "bad-setting", "error", "merged", "masked", "new"])
  func loadStatesAreSystemdsWords(word: String) {
    let state = LoadState(word)
    #expect(state.description == word)
    #expect((state == .unknown(word)) == (word == "new"))
  }

  @Test func hostileOutputIsRefusedOrReadAsNothing() throws {
    #expect(try UnitStatus.parse([]) == [])
    #expect(try UnitStatus.parse(Array("\n\n\nno equals sign\n\n".utf8)) == [])
    #expect(throws: UnitStatusError(propertyCount: 2)) {
      try UnitStatus.parse(Array("A=1\nB=2\n\nId=x\n".utf8))
    }
    #expect(throws: UnitStatusError(propertyCount: 1)) { try UnitStatus.parse(Array("Id=\n".utf8)) }
    let odd = try UnitStatus.parse(
      Array("=x\nId=a=b\nId=second\nMainPID=x\nJob=99999999999\nMemoryCurrent=-1\nLoadError=plain\n".utf8)
        + [0xff, 0x3d, 0xfe])
    #expect(odd.map(\.id) == ["a=b"])
    #expect(odd.first?.properties["\u{fffd}"] == "\u{fffd}" && odd.first?.properties[""] == "x")
    #expect(odd.first?.mainProcessID == nil && odd.first?.jobID == nil && odd.first?.memoryCurrent == nil)
    #expect(odd.first?.loadError == "plain" && odd.first?.activeState == .unknown(""))
    let large = Array("Id=a\nX=".utf8) + [UInt8](repeating: 0x78, count: 8 << 20)
    #expect(try UnitStatus.parse(large).first?.properties["X"]?.utf8.count == 8 << 20)
  }

  @Test func mutatedOutputNeverTraps() {
    var random = SeededGenerator(seed: 4)
    let bytes = Array(Self.output.utf8)
    for _ in 0..<2_000 {
      var mutated = bytes
      for _ in 0..<Int.random(in: 1...20, using: &random) {
        mutated[Int.random(in: 0..<mutated.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      for unit in (try? UnitStatus.parse(mutated)) ?? [] {
        _ = (
          unit.jobID, unit.loadError, unit.mainProcessExit, unit.stopTimeout, unit.stateChange,
          unit.cpuUsageNanoseconds
        )
      }
    }
  }
}
