import SwiftProtobuf
import FoundationEssentials

/// What a user sends to a command.
public enum ExecInput: Sendable, Hashable {
  /// Bytes for the command's standard input, at least one.
  case stdin([UInt8])

  /// The end of standard input.
  case stdinClosed

  /// The size of the user's terminal, in characters.
  case terminalSize(rows: UInt16, columns: UInt16)
}

extension ExecInput {
  /// Reads a message. It may hold several things at once, or nothing at all: that keeps the call alive.
  static func list(_ wire: WireExecTaskStreamingRequest) -> [ExecInput] {
    var inputs: [ExecInput] = []
    if wire.hasTtySize {
      inputs.append(
        .terminalSize(
          rows: UInt16(clamping: wire.ttySize.height), columns: UInt16(clamping: wire.ttySize.width)))
    }
    if !wire.stdin.data.isEmpty { inputs.append(.stdin([UInt8](wire.stdin.data))) }
    if wire.stdin.close { inputs.append(.stdinClosed) }
    return inputs
  }

  var wire: WireExecTaskStreamingRequest {
    .with {
      switch self {
      case .stdin(let bytes): $0.stdin.data = Data(bytes)
      case .stdinClosed: $0.stdin.close = true
      case .terminalSize(let rows, let columns):
        $0.ttySize.height = Int32(rows)
        $0.ttySize.width = Int32(columns)
      }
    }
  }
}
