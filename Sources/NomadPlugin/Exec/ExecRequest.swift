import SwiftProtobuf

/// A command to run in the context of a task, with its input and output as streams.
public struct ExecRequest: Sendable, Hashable {
  /// The task's ID.
  public var taskID: String

  /// The program and its arguments, at least one.
  public var command: [String]

  /// Whether the command is to have a terminal. Its output is then one stream, ``ExecOutput/stdout(_:)``.
  public var tty: Bool

  /// Makes a request.
  public init(taskID: String, command: [String], tty: Bool) {
    self.taskID = taskID
    self.command = command
    self.tty = tty
  }
}

extension ExecRequest {
  init(_ wire: WireExecTaskStreamingRequest.Setup) {
    self.init(taskID: wire.taskID, command: wire.command, tty: wire.tty)
  }

  var wire: WireExecTaskStreamingRequest {
    .with {
      $0.setup.taskID = taskID
      $0.setup.command = command
      $0.setup.tty = tty
    }
  }
}
