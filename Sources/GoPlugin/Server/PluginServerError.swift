/// Why a plugin does not start. The description is meant for the person who started it or the agent's log.
public enum PluginServerError: Error, Equatable, CustomStringConvertible {
  /// The magic cookie is not set: a person started the plugin.
  case notStartedByHost(cookieKey: String)
  /// The magic cookie has another value: a host started it that is meant for other plugins.
  case wrongCookie(key: String)
  /// Host and plugin have no protocol version in common.
  case noCommonProtocolVersion(host: String, plugin: [Int])
  /// The socket cannot be made as asked.
  case socket(String)
  /// The host demands mutual TLS (go-plugin's AutoMTLS), which this library does not have.
  case mutualTLS
  /// The protocol line cannot be written.
  case protocolLine(String)

  /// What was attempted, why it failed and what to do.
  public var description: String {
    switch self {
    case .notStartedByHost(let key):
      return "This program is a plugin: the program that uses it has to start it. (The environment variable "
        + "\(key), by which it would know, is not set.)"
    case .wrongCookie(let key):
      return "This program is a plugin, but the environment variable \(key) has not the value by which it "
        + "knows the program that uses it. Is it in the plugin directory of the right program?"
    case .noCommonProtocolVersion(let host, let plugin):
      return "Host and plugin have no protocol version in common: the host offers '\(host)' "
        + "(PLUGIN_PROTOCOL_VERSIONS), this plugin speaks \(plugin.map(String.init).joined(separator: ", ")). "
        + "Install a version of the plugin that fits the host."
    case .mutualTLS:
      return
        "The plugin does not start: its host asks for mutual TLS (AutoMTLS; PLUGIN_CLIENT_CERT is set), which "
        + "this plugin does not have. Nomad does not ask for it: the socket is a unix socket that only its owner can "
        + "open. Unset PLUGIN_CLIENT_CERT, or switch AutoMTLS off in the host."
    case .socket(let reason), .protocolLine(let reason):
      return reason
    }
  }
}
