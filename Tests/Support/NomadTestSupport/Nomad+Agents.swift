import Foundation
import GRPCCore
package import LibGRPCTransport
package import NomadPlugin

/// What other agents than the one that has started the plugin do with it.
extension Nomad {
  /// The plugin's socket: the only one in the directory that is named for it, or in the private one in that of `PluginHost`.
  private var socket: String {
    get throws {
      let environment = try Data(contentsOf: URL(fileURLWithPath: "/proc/\(self.pluginProcess)/environ"))
      func value(_ name: String) -> String? {
        environment.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
          .first { $0.hasPrefix(name + "=") }.map { String($0.dropFirst(name.count + 1)) }
      }
      func pluginsIn(_ directory: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory).filter { $0.hasPrefix("plugin") }
          .map { "\(directory)/\($0)" }
      }
      if let directory = value("PLUGIN_UNIX_SOCKET_DIR") { return try pluginsIn(directory).first ?? "" }
      return try value("TMPDIR").flatMap { try pluginsIn($0).first }.map { "\($0)/plugin.sock" } ?? ""
    }
  }

  /// Removes the socket and the directory that it is in.
  package func removeSocket() throws {
    try FileManager.default.removeItem(at: URL(fileURLWithPath: self.socket).deletingLastPathComponent())
  }

  /// Attaches another agent to the plugin; it is gone without a word after `body`.
  package func withAnotherAgent<R: Sendable>(
    _ body: @Sendable (NomadPluginClient<LibGRPC.ClientTransport>) async throws -> R
  ) async throws -> R {
    let client = GRPCClient(transport: try LibGRPC.ClientTransport(unixSocketPath: try self.socket))
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try? await client.runConnections() }
      defer { group.cancelAll() }
      return try await body(NomadPluginClient(client))
    }
  }

  /// Sends messages of any bytes to any method, and takes its answers.
  ///
  /// - Parameter limit: how long the call may take.
  /// - Returns: how many answers came.
  /// - Throws: `RPCError` if the call fails.
  package func send(
    _ messages: [[UInt8]], to method: String, of service: String, limit: Duration
  ) async throws -> Int {
    var options = CallOptions.defaults
    options.timeout = limit
    return try await self.client.bidirectionalStreaming(
      request: StreamingClientRequest { writer in
        for message in messages { try await writer.write(message) }
      },
      descriptor: MethodDescriptor(fullyQualifiedService: service, method: method),
      serializer: AnyBytes(), deserializer: AnyBytes(), options: options
    ) { response in
      var count = 0
      for try await _ in response.messages { count += 1 }
      return count
    }
  }
}

/// Messages as they are.
private struct AnyBytes: MessageSerializer, MessageDeserializer {
  func serialize<Bytes: GRPCContiguousBytes>(_ message: [UInt8]) throws -> Bytes { Bytes(message) }

  func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> [UInt8] {
    bytes.withUnsafeBytes { Array($0) }
  }
}
