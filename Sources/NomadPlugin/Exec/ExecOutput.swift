import SwiftProtobuf
import FoundationEssentials

/// What a command sends to the user.
public enum ExecOutput: Sendable, Hashable {
  /// Bytes of the command's standard output, or of its terminal.
  case stdout([UInt8])

  /// Bytes of the command's standard error.
  case stderr([UInt8])
}

extension ExecOutput {
  var isEmpty: Bool {
    switch self {
    case .stdout(let bytes), .stderr(let bytes): bytes.isEmpty
    }
  }

  /// Reads the output in a message.
  static func list(_ wire: WireExecTaskStreamingResponse) -> [ExecOutput] {
    var outputs: [ExecOutput] = []
    if !wire.stdout.data.isEmpty { outputs.append(.stdout([UInt8](wire.stdout.data))) }
    if !wire.stderr.data.isEmpty { outputs.append(.stderr([UInt8](wire.stderr.data))) }
    return outputs
  }

  var wire: WireExecTaskStreamingResponse {
    .with {
      switch self {
      case .stdout(let bytes): $0.stdout.data = Data(bytes)
      case .stderr(let bytes): $0.stderr.data = Data(bytes)
      }
    }
  }
}
