import AsyncPrimitives
import Foundation
import NomadPlugin
import Systemd

extension UnitTask {
  /// What systemd told of the unit last.
  var status: UnitStatus? { self.lifecycle.status }

  /// The unit's run that was seen last.
  var invocationID: String? { self.lifecycle.status?.invocationID }

  /// Whether the unit has not ended, as far as is known.
  nonisolated var isRunning: Bool { self.milestones.unitDown.current == nil }

  /// Waits for a moment until systemd has told about the unit.
  nonisolated func waitForFirstObservation() async {
    guard self.milestones.firstObserved.current == nil else { return }
    _ = try? await self.milestones.firstObserved.value(within: Self.observationTimeout)
  }

  /// Waits until the unit has ended and its lines are delivered.
  nonisolated func waitForExit() async throws -> ExitResult {
    try await self.milestones.exitDelivered.value.get()
  }

  /// The task's state, with what systemd told of the unit last.
  func inspect() async -> TaskStatus {
    await self.waitForFirstObservation()
    var attributes = ["unit": self.unit.name]
    if let status = self.lifecycle.status {
      attributes["load_state"] = "\(status.loadState)"
      attributes["active_state"] = "\(status.activeState)"
      attributes["sub_state"] = status.subState
      attributes["result"] = status.result
      attributes["invocation_id"] = self.lifecycle.invocationID
      attributes["main_pid"] = status.mainProcessID.map(String.init)
      attributes["restarts"] = status.restartCount.map(String.init)
      attributes["control_group"] = status.controlGroup
    }
    return TaskStatus(
      id: self.config.id, name: self.config.name, state: self.isRunning ? .running : .exited,
      startedAt: self.lifecycle.startTime?.date ?? self.startedAt,
      completedAt: self.isRunning ? nil : self.lifecycle.endTime?.date ?? self.endedAt,
      exitResult: self.milestones.unitEnded.current, driverAttributes: attributes)
  }

  /// Sends signals to the unit.
  nonisolated var signaller: UnitSignaller {
    UnitSignaller(task: self, systemd: self.systemd, logger: self.logger)
  }

  /// Reports what the unit uses.
  nonisolated func usageReporter(topology: Topology?) -> UnitUsageReporter {
    UnitUsageReporter(task: self, sampler: self.systemd.usage, topology: topology, logger: self.logger)
  }
}
