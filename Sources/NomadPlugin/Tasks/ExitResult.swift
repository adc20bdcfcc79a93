import SwiftProtobuf

/// How a task, or a command in its context, ended.
public struct ExitResult: Sendable, Hashable {
  /// The exit status; by convention 128 and the signal's number where a signal ended it.
  public var exitCode: Int32

  /// The number of the signal that ended it, or 0.
  public var signal: Int32

  /// Whether the kernel ended it for want of memory.
  public var oomKilled: Bool

  /// Why it ended, for users; nil for a plain exit.
  ///
  /// Nomad takes any exit with a message for a failure, even one with status 0. Only
  /// ``TaskDriver/waitTask(_:)`` has a place for it on the wire.
  public var message: String?

  /// Makes a result.
  public init(exitCode: Int32, signal: Int32 = 0, oomKilled: Bool = false, message: String? = nil) {
    self.exitCode = exitCode
    self.signal = signal
    self.oomKilled = oomKilled
    self.message = message
  }
}

extension ExitResult {
  init(_ wire: WireExitResult) {
    self.init(exitCode: wire.exitCode, signal: wire.signal, oomKilled: wire.oomKilled)
  }

  init(_ wire: WireWaitTaskResponse) {
    self.init(wire.result)
    message = wire.err.isEmpty ? nil : wire.err
  }

  /// The result without its message, for which there is no field.
  var wire: WireExitResult {
    .with {
      $0.exitCode = exitCode
      $0.signal = signal
      $0.oomKilled = oomKilled
    }
  }

  var waitTaskResponse: WireWaitTaskResponse {
    .with {
      $0.result = wire
      $0.err = message ?? ""
    }
  }
}
