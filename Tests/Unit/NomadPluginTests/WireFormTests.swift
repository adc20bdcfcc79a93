import Foundation
import SwiftProtobuf
import Testing

@testable import NomadPlugin

/// What Nomad's client needs to find on the wire.
@Suite struct WireFormTests {
  @Test func measuredFieldsOfCPU() throws {
    #expect(CPUUsage().wire.measured.isEmpty)
    let some = CPUUsage(systemMode: 0, throttledTime: 5, percent: 12.5).wire
    #expect(some.measured == [.systemMode, .throttledTime, .percent])
    // The packed numbers that a `repeated Fields` would be.
    let bytes: [UInt8] = try some.serializedBytes()
    #expect(bytes.suffix(5) == [7 << 3 | 2, 3, 0, 4, 5])
    #expect(some.throttledTime == 5)
    #expect(some.percent == 12.5)
    let all = CPUUsage(
      systemMode: 1, userMode: 2, totalTicks: 3, throttledPeriods: 4, throttledTime: 5, percent: 6)
    #expect(Set(all.wire.measured) == Set(WireCPUUsage.Fields.allCases))
    #expect(all.wire.measured.count == 6)
  }

  @Test func numbersThatJSONCannotHoldAreNotMeasured() {
    let wire = CPUUsage(systemMode: .nan, userMode: .infinity, totalTicks: -.infinity, percent: 1).wire
    #expect(wire.measured == [.percent])
    #expect(wire.systemMode == 0)
  }

  @Test func measuredFieldsOfMemory() {
    #expect(MemoryUsage().wire.measured.isEmpty)
    #expect(MemoryUsage(rss: 0, usage: 5).wire.measured == [.rss, .usage])
    let all = MemoryUsage(
      rss: 1, cache: 2, swap: 3, usage: 4, maximumUsage: 5, kernelUsage: 6, kernelMaximumUsage: 7)
    #expect(Set(all.wire.measured) == Set(WireMemoryUsage.Fields.allCases))
    #expect(all.wire.measured.count == 7)
  }

  @Test func statisticsAlwaysHaveATimeAndATotal() {
    let wire = TaskResourceUsage(timestamp: someTime, processes: [7: .init()]).wire(taskID: "t")
    #expect(wire.id == "t")
    #expect(wire.timestamp == Google_Protobuf_Timestamp(seconds: 1_750_000_000, nanos: 500_000_000))
    #expect(wire.hasAggResourceUsage && wire.aggResourceUsage.hasCpu && wire.aggResourceUsage.hasMemory)
    #expect(Array(wire.resourceUsageByPid.keys) == ["7"])
  }

  @Test func aStatusAlwaysHasBothTimesAndAResult() {
    let goZeroTime = Google_Protobuf_Timestamp(seconds: -62_135_596_800, nanos: 0)
    let wire = TaskStatus(id: "t", name: "web", state: .running, startedAt: someTime).wire
    #expect(wire.task.hasStartedAt && wire.task.hasCompletedAt && wire.task.hasResult && wire.hasDriver)
    #expect(wire.task.startedAt == Google_Protobuf_Timestamp(seconds: 1_750_000_000, nanos: 500_000_000))
    #expect(wire.task.completedAt == goZeroTime)
    #expect(wire.task.result == WireExitResult())
  }

  @Test func execAlwaysHasAResult() {
    #expect(ExecResult(stdout: [], stderr: [], exitResult: ExitResult(exitCode: 0)).wire.hasResult)
  }

  @Test func theMessageOfAnExitIsTheErrorOfWaitTask() {
    let wire = ExitResult(exitCode: 1, message: "because").waitTaskResponse
    #expect(wire.err == "because")
    #expect(wire.hasResult && wire.result.exitCode == 1)
    #expect(ExitResult(exitCode: 0).waitTaskResponse.err.isEmpty)
  }

  @Test func enumerationsFromTheFuture() {
    #expect(TaskState(.UNRECOGNIZED(9)) == .unknown)
    #expect(Fingerprint.Health(.UNRECOGNIZED(9)) == .undetected)
    #expect(NetworkIsolationMode(.UNRECOGNIZED(9)) == .host)
    #expect(DriverCapabilities.FilesystemIsolation(.UNRECOGNIZED(9)) == .none)
  }

  @Test func mountsAreOffByDefault() {
    #expect(DriverCapabilities().wire.mountConfigs == .noMounts)
    #expect(DriverCapabilities().wire.networkIsolationModes == [.host])
    #expect(DriverCapabilities(supportsMounts: true).wire.mountConfigs.rawValue == 0)
  }

  @Test func attributesHoldTheirUnit() {
    #expect(
      NodeAttribute.integer(5, unit: "MiB").wire
        == .with {
          $0.intVal = 5; $0.unit = "MiB"
        })
    #expect(NodeAttribute.double(0.5).wire == .with { $0.floatVal = 0.5 })
    #expect(NodeAttribute(WireAttribute()) == nil)
  }
}
