import NomadPlugin
import Systemd
import Testing

@testable import SystemdDriver

/// What a start does with a unit, by its state and the job's options.
@Suite struct StartPlanTests {
  private static let present = JournalPosition.since(RealtimeTimestamp(microseconds: 1_000_000_000))

  private func plan(
    _ status: UnitStatus, _ onActive: TaskOptions.OnActive = .adopt, includeAdopted: Bool = false,
    mayHaveConditions: Bool = true
  ) throws -> StartPlan {
    var options = TaskOptions(unit: try UnitName("x.service"))
    options.onActive = onActive
    options.logs.includeAdopted = includeAdopted
    return StartPlan(
      try StartPlan.Action(status, onActive), of: status, mayHaveConditions: mayHaveConditions, options,
      present: Self.present)
  }

  @Test(
    arguments: [
      ("inactive", nil, .start), ("failed", nil, .start), ("deactivating", nil, .start),
      ("maintenance", nil, .start), ("active", nil, .adopt), ("active", "restart", .restart),
      ("reloading", nil, .adopt), ("refreshing", "restart", .restart),
      // On its way with its program running, and before that.
      ("activating 7", nil, .adopt), ("activating 7", "restart", .restart), ("activating", nil, .start),
      ("activating", "restart", .start), ("activating", "fail", .start), ("inactive", "fail", .start),
    ] as [(String, String?, StartPlan.Action)])
  func action(state: String, onActive: String?, expected: StartPlan.Action) throws {
    let words = state.split(separator: " ").map(String.init)
    let status = try status(words[0], words.count > 1 ? ["MainPID": words[1]] : [:])
    let onActive = try #require(TaskOptions.OnActive(rawValue: onActive ?? "adopt"))
    #expect(try StartPlan.Action(status, onActive) == expected)
  }

  @Test(arguments: ["active", "reloading", "refreshing"])
  func anActiveUnitCanBeRefused(state: String) throws {
    let status = try status(state)
    let error = #expect(throws: DriverError.self) { try StartPlan.Action(status, .fail) }
    guard case .recoverable(let text) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(text.contains("on_active"))
  }

  @Test func anAdoptionAsksForNoStart() throws {
    let status = try status("active", ["InvocationID": "a", "NRestarts": "3"])
    let plan = try self.plan(status)
    #expect(plan.action == .adopt && !plan.mayBeSkipped)
    #expect(plan.lifecycle == UnitLifecycle(adopting: status))
    #expect(plan.logsBegin == Self.present)
    #expect(plan.event(unit: try UnitName("x")) == .adopted(unit: "x.service"))
    #expect(plan.undo == .cancelJob)
  }

  @Test func theLogsOfAnAdoptedRunCanBeIncluded() throws {
    let times = ["InactiveExitTimestamp": "Thu 1970-01-01 00:10:00 UTC"]
    let adopted = try self.plan(try status("active", times), includeAdopted: true)
    guard case .since(let beginning) = adopted.logsBegin else {
      Issue.record("\(adopted.logsBegin)")
      return
    }
    // A little before systemd's own note of it.
    #expect(beginning.microseconds <= 600_000_000 && beginning.microseconds > 0)
    // It is not known when the run began.
    #expect(try self.plan(try status("active"), includeAdopted: true).logsBegin == Self.present)
    // A restart begins a new run.
    let restarted = try self.plan(try status("active", times), .restart, includeAdopted: true)
    #expect(restarted.logsBegin == Self.present)
  }

  @Test func aRestartReplacesARun() throws {
    let plan = try self.plan(try status("active", ["InvocationID": "a"]), .restart)
    #expect(plan.action == .restart && plan.mayBeSkipped)
    #expect(plan.lifecycle == UnitLifecycle(previousInvocationID: "a"))
    #expect(plan.event(unit: try UnitName("x")) == .restartedAtStart(unit: "x.service"))
    #expect(plan.undo == .cancelJob)
  }

  @Test func aStartThatIsCancelledStopsTheUnit() throws {
    let plan = try self.plan(try status("failed", ["InvocationID": "a"]), mayHaveConditions: false)
    #expect(plan.action == .start && !plan.mayBeSkipped)
    #expect(plan.lifecycle == UnitLifecycle(previousInvocationID: "a"))
    #expect(plan.event(unit: try UnitName("x")) == .started(unit: "x.service"))
    #expect(plan.undo == .stop)
  }

  @Test(
    arguments: [
      // A start joins a run that begins.
      ("start", nil), ("start-pre", nil),
      // systemd makes a new one after the pause.
      ("auto-restart", "a"), ("auto-restart-queued", "a"),
    ] as [(String, String?)])
  func aRunThatBeginsIsJoined(subState: String, previous: String?) throws {
    let plan = try self.plan(try status("activating", ["InvocationID": "a", "SubState": subState]))
    #expect(plan.action == .start)
    #expect(plan.lifecycle == UnitLifecycle(previousInvocationID: previous))
  }
}
