public import FoundationEssentials

import SwiftProtobuf

/// What is known about a task.
public struct TaskStatus: Sendable, Hashable {
  /// The task's ID.
  public var id: String

  /// The task's name in its group.
  public var name: String

  /// Where the task is in its life.
  public var state: TaskState

  /// When the task was started, if that is known.
  public var startedAt: Date?

  /// When it ended, if it has and that is known.
  public var completedAt: Date?

  /// How it ended, if it has. Its message is not shown here.
  public var exitResult: ExitResult?

  /// What else there is to say; shown by `nomad alloc status -json`.
  public var driverAttributes: [String: String]

  /// Describes a task.
  public init(
    id: String, name: String, state: TaskState, startedAt: Date? = nil, completedAt: Date? = nil,
    exitResult: ExitResult? = nil, driverAttributes: [String: String] = [:]
  ) {
    self.id = id
    self.name = name
    self.state = state
    self.startedAt = startedAt
    self.completedAt = completedAt
    self.exitResult = exitResult
    self.driverAttributes = driverAttributes
  }
}

extension TaskStatus {
  init(_ wire: WireInspectTaskResponse) {
    let state = TaskState(wire.task.state)
    self.init(
      id: wire.task.id, name: wire.task.name, state: state,
      startedAt: wire.task.hasStartedAt ? wire.task.startedAt.date : nil,
      completedAt: wire.task.hasCompletedAt ? wire.task.completedAt.date : nil,
      exitResult: state == .exited ? ExitResult(wire.task.result) : nil,
      driverAttributes: wire.driver.attributes)
  }

  /// The status on the wire.
  ///
  /// Both times and the result are always there: Nomad's client (`taskStatusFromProto` in
  /// `plugins/drivers/utils.go`) fails without the times and panics without the result.
  var wire: WireInspectTaskResponse {
    .with {
      $0.task.id = id
      $0.task.name = name
      $0.task.state = state.wire
      $0.task.startedAt = Google_Protobuf_Timestamp(startedAt)
      $0.task.completedAt = Google_Protobuf_Timestamp(completedAt)
      $0.task.result = exitResult?.wire ?? WireExitResult()
      $0.driver.attributes = driverAttributes
    }
  }
}
