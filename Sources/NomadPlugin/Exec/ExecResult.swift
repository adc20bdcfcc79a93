import SwiftProtobuf
import FoundationEssentials

/// What came of a command that ran in the context of a task.
public struct ExecResult: Sendable, Hashable {
  /// What it wrote to standard output.
  public var stdout: [UInt8]

  /// What it wrote to standard error.
  public var stderr: [UInt8]

  /// How it ended.
  public var exitResult: ExitResult

  /// Makes a result.
  public init(stdout: [UInt8], stderr: [UInt8], exitResult: ExitResult) {
    self.stdout = stdout
    self.stderr = stderr
    self.exitResult = exitResult
  }
}

extension ExecResult {
  init(_ wire: WireExecTaskResponse) {
    self.init(
      stdout: [UInt8](wire.stdout), stderr: [UInt8](wire.stderr), exitResult: ExitResult(wire.result))
  }

  var wire: WireExecTaskResponse {
    .with {
      $0.stdout = Data(stdout)
      $0.stderr = Data(stderr)
      $0.result = exitResult.wire
    }
  }
}
