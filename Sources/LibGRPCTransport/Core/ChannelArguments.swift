import CGRPC
import Glibc

/// Settings of a server or a channel (grpc_types.h, `GRPC_ARG_…`).
struct ChannelArguments {
  enum Value {
    case integer(Int32)
    case string(String)
  }

  private let values: [(key: String, value: Value)]

  init(_ values: [(String, Value)]) {
    self.values = values.map { (key: $0.0, value: $0.1) }
  }

  /// The settings in libgrpc's form, valid for the duration of `body`; libgrpc copies what it keeps.
  func withPointer<R>(_ body: (UnsafePointer<grpc_channel_args>) throws -> R) rethrows -> R {
    var strings: [UnsafeMutablePointer<CChar>?] = []
    defer { for string in strings { free(string) } }
    func copy(_ string: String) -> UnsafeMutablePointer<CChar>? {
      strings.append(strdup(string))
      return strings[strings.count - 1]
    }
    var arguments: [grpc_arg] = self.values.map { key, value in
      var argument = grpc_arg()
      argument.key = copy(key)
      switch value {
      case .integer(let integer):
        argument.type = GRPC_ARG_INTEGER
        argument.value.integer = integer
      case .string(let string):
        argument.type = GRPC_ARG_STRING
        argument.value.string = copy(string)
      }
      return argument
    }
    return try arguments.withUnsafeMutableBufferPointer { buffer in
      var all = grpc_channel_args(num_args: buffer.count, args: buffer.baseAddress)
      return try withUnsafePointer(to: &all, body)
    }
  }
}
