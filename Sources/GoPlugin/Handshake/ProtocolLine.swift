import Foundation

/// The one line that a plugin writes to its standard output: where and how it can be reached
/// (go-plugin, `server.go` and `client.go`).
///
///     1|<protocol version>|unix|<socket path>|grpc|<certificate>[|<multiplexing>]
struct ProtocolLine: Equatable, CustomStringConvertible {
  /// go-plugin's own version.
  static let coreVersion = 1

  /// The longest path of a unix socket in bytes: `sun_path` in unix(7) less the NUL.
  static let maximumSocketPathLength = 107

  /// The version of the plugin's own protocol.
  var protocolVersion: Int
  /// The absolute path of the socket.
  var socketPath: String
  /// Whether the plugin can have several connections on one socket; nil if the field is left out.
  var supportsMultiplexing: Bool?

  /// The line without its line break.
  var description: String {
    var fields = [
      String(Self.coreVersion), String(self.protocolVersion), "unix", self.socketPath, "grpc",
      // The server's certificate: there is no TLS.
      "",
    ]
    if let supportsMultiplexing { fields.append(String(supportsMultiplexing)) }
    return fields.joined(separator: "|")
  }

  init(protocolVersion: Int, socketPath: String, supportsMultiplexing: Bool? = nil) {
    self.protocolVersion = protocolVersion
    self.socketPath = socketPath
    self.supportsMultiplexing = supportsMultiplexing
  }

  /// Reads a line, given without its line break, that may have been written by anybody.
  ///
  /// - Throws: ``ProtocolLineError``.
  init(parsing line: [UInt8], protocolVersions: [Int]) throws(ProtocolLineError) {
    guard let text = String(validating: line, as: UTF8.self) else {
      throw ProtocolLineError("the line is not UTF-8")
    }
    guard text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7f }) else {
      throw ProtocolLineError("the line has control characters in it")
    }
    let fields = text.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
    guard (4...7).contains(fields.count) else {
      throw ProtocolLineError("the line has not the form '1|<version>|unix|<path>|grpc|…'")
    }
    guard fields[0] == String(Self.coreVersion) else {
      throw ProtocolLineError(
        "the plugin speaks version '\(fields[0])' of go-plugin's handshake, not \(Self.coreVersion)")
    }
    guard let version = Int(fields[1]), String(version) == fields[1] else {
      throw ProtocolLineError("the protocol version '\(fields[1])' is not a number")
    }
    guard protocolVersions.contains(version) else {
      let offered = protocolVersions.sorted().map(String.init).joined(separator: ", ")
      throw ProtocolLineError("the plugin wants protocol version \(version); offered: \(offered)")
    }
    guard fields[2] == "unix" else {
      throw ProtocolLineError("the plugin listens on the network '\(fields[2])'; only 'unix' is supported")
    }
    guard fields[3].hasPrefix("/"), fields[3].utf8.count <= Self.maximumSocketPathLength else {
      throw ProtocolLineError(
        "the socket path '\(fields[3])' is not an absolute path of at most \(Self.maximumSocketPathLength) bytes"
      )
    }
    // Without a fifth field the plugin speaks net/rpc.
    guard fields.count >= 5, fields[4] == "grpc" else {
      let name = fields.count >= 5 ? fields[4] : "netrpc"
      throw ProtocolLineError("the plugin speaks '\(name)'; only 'grpc' is supported")
    }
    self.protocolVersion = version
    self.socketPath = fields[3]
    guard fields.count < 6 || fields[5].isEmpty else {
      throw ProtocolLineError("the plugin wants TLS, which it was not asked for")
    }
    if fields.count == 7 {
      switch fields[6] {
      case "true": self.supportsMultiplexing = true
      case "false": self.supportsMultiplexing = false
      default: throw ProtocolLineError("the field on multiplexing is '\(fields[6])', not true or false")
      }
    }
  }

}

/// What is wrong with a protocol line.
struct ProtocolLineError: Error, Equatable {
  let reason: String

  init(_ reason: String) { self.reason = reason }
}
