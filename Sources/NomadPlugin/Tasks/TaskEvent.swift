public import FoundationEssentials

import SwiftProtobuf

/// Something that happened to a task, for `nomad alloc status`.
public struct TaskEvent: Sendable, Hashable {
  /// The task's ID.
  public var taskID: String

  /// The task's name in its group.
  public var taskName: String

  /// The allocation the task belongs to.
  public var allocationID: String

  /// When it happened.
  public var timestamp: Date

  /// What happened: one line.
  public var message: String

  /// Further facts by name.
  public var annotations: [String: String]

  /// Makes an event.
  public init(
    taskID: String, taskName: String, allocationID: String, timestamp: Date, message: String,
    annotations: [String: String] = [:]
  ) {
    self.taskID = taskID
    self.taskName = taskName
    self.allocationID = allocationID
    self.timestamp = timestamp
    self.message = message
    self.annotations = annotations
  }
}

extension TaskEvent {
  init(_ wire: WireDriverTaskEvent) {
    self.init(
      taskID: wire.taskID, taskName: wire.taskName, allocationID: wire.allocID,
      timestamp: wire.timestamp.date ?? .distantPast, message: wire.message, annotations: wire.annotations)
  }

  var wire: WireDriverTaskEvent {
    .with {
      $0.taskID = taskID
      $0.taskName = taskName
      $0.allocID = allocationID
      $0.timestamp = Google_Protobuf_Timestamp(timestamp)
      $0.message = message
      $0.annotations = annotations
    }
  }
}
