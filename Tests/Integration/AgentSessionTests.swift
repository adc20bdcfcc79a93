import Foundation
import NomadPlugin
import NomadTestSupport
import TestHelpers
import Testing

/// Calls of a real agent, recorded, and played to the plugin.
@Suite(.needsSystemd, .limitedParallelism) struct AgentSessionTests {
  /// How the unit of the first task comes to its end.
  enum Ending: CaseIterable {
    case fails, isAdoptedAndFails, isStopped
  }

  /// The task is destroyed, and its restart waits, when agent and plugin die. The next agent asks for the task's recovery
  /// all the same.
  @Test(arguments: Ending.allCases, [false, true])
  func bothAreKilledWhileARestartWaits(ending: Ending, runsAgain: Bool) async throws {
    let unit = try await Units.install(
      "[Service]",
      "ExecStart=/bin/sh -c 'echo line; until test -e /run/NAME.go; do sleep 0.02; done; exit 5'")
    if ending == .isAdoptedAndFails { try await Units.systemctl("start", unit) }
    let agent = try RecordedAgent("both-are-killed-while-a-restart-waits", unit: unit)
    let allocation = agent.allocation
    defer { allocation.remove() }
    // What an adopted unit has said before is not the task's.
    let lines = ending == .isAdoptedAndFails ? [] : ["line"]

    _ = try? await Nomad.run { nomad in
      try await agent.play(process: 0, on: nomad) { call, task in
        guard call == "DestroyTask" else { return }
        try await eventually("the line") { allocation.lines == lines }
        if ending == .isStopped {
          try await nomad.calls.stopTask(task, timeout: .seconds(300))
        } else {
          try Units.go(unit)
        }
      }
      kill(nomad.pluginProcess, SIGKILL)
    }
    let first = await agent.answers(of: "DestroyTask", process: 0)
    #expect(first.count == 1 && first.allSatisfy { $0.error == nil })
    let firstExit = await agent.answers(of: "WaitTask", process: 0).first?.exit
    #expect(firstExit?.exitCode == (ending == .isStopped ? 0 : 5))
    _ = try await allocation.allLines()
    // What comes after this is the next task's.
    allocation.standardOutput.start()
    allocation.standardError.start()
    if ending != .isStopped { try Units.stay(unit) }
    if runsAgain { try await Units.systemctl("start", unit) }

    for process in 1..<(agent.processCount - 1) {
      try await Nomad.run(nil) { nomad in try await agent.play(process: process, on: nomad) }
    }
    let last = agent.processCount - 1
    try await Nomad.run(nil) { nomad in
      try await agent.play(process: last, on: nomad) { call, _ in
        switch call {
        case "StartTask":
          let recovery = await agent.answers(of: "RecoverTask", process: last)
          #expect(recovery.count == 1)
          let text = recovery.first?.error.map { "\($0)" }
          #expect(text?.contains("the task was destroyed") == true)
          #expect(allocation.lines == lines)
        case "DestroyTask":
          if !runsAgain {
            try await eventually("the next task's line") { allocation.lines.count > lines.count }
          }
          try Units.go(unit)
        default: break
        }
      }
    }
    let exits = await agent.answers(of: "WaitTask", process: last).map { $0.exit?.exitCode }
    #expect(exits == [5])
    let all = try await allocation.allLines()
    // The next task adopts what somebody else has started.
    #expect(all == lines + (runsAgain ? [] : ["line"]))
  }
}
