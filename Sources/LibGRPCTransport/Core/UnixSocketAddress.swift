import GRPCCore

/// The gRPC name of a unix socket: a URI with its absolute path
/// (grpc/grpc, `doc/naming.md`), so what is not plain in the path is percent-encoded.
struct UnixSocketAddress {
  /// The most bytes that a path may have: `sun_path` less the NUL (unix(7)).
  static let maximumPathLength = 107

  let uri: String

  /// - Throws: `RPCError` (invalid argument) if the path is not absolute, has a NUL or is too long.
  static func check(_ path: String) throws {
    guard path.hasPrefix("/"), !path.utf8.contains(0) else {
      throw RPCError(
        code: .invalidArgument, message: "The socket path \(path.debugDescription) is not an absolute path.")
    }
    guard path.utf8.count <= Self.maximumPathLength else {
      throw RPCError(
        code: .invalidArgument,
        message: "The socket path '\(path)' has \(path.utf8.count) bytes; the system allows "
          + "\(Self.maximumPathLength). Choose a shorter directory.")
    }
  }

  /// - Throws: as ``check(_:)``.
  init(path: String) throws {
    try Self.check(path)
    var uri = "unix:"
    for byte in path.utf8 {
      switch Unicode.Scalar(byte) {
      case "a"..."z", "A"..."Z", "0"..."9", "/", "-", ".", "_", "~":
        uri.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        uri += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
      }
    }
    self.uri = uri
  }
}
