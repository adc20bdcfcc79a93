/// The environment variable by which a plugin knows that a host has started it, and not a person.
///
/// It only makes for a helpful message; it is no secret (go-plugin, `server.go`, `HandshakeConfig`).
public struct MagicCookie: Sendable, Equatable {
  /// The name of the environment variable.
  public var key: String
  /// The value that host and plugin have agreed on.
  public var value: String

  /// A cookie that both sides know.
  public init(key: String, value: String) {
    self.key = key
    self.value = value
  }

  /// Whether a host has set the cookie, so that this process is to be a plugin.
  public func isPresent(in environment: [String: String]) -> Bool { environment[self.key] == self.value }
}
