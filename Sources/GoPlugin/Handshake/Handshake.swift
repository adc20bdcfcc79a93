/// What the host asks of the plugin in the environment (go-plugin, `server.go` and `constants.go`).
struct Handshake: Equatable {
  /// The version of the plugin's own protocol that both sides speak.
  let protocolVersion: Int
  /// The directory for the socket; nil for a private one.
  let socketDirectory: String?
  /// Name or number of the group that may use the socket; nil for the owner alone.
  let socketGroup: String?
  /// Whether the host understands the protocol line's field on multiplexing.
  let wantsMultiplexingField: Bool

  /// Reads the environment.
  ///
  /// - Throws: ``PluginServerError`` if the cookie is missing or wrong, no protocol version fits, or the host wants
  ///   mutual TLS.
  init(
    environment: [String: String], magicCookie: MagicCookie, protocolVersions: [Int]
  ) throws(PluginServerError) {
    guard let cookie = environment[magicCookie.key], !cookie.isEmpty else {
      throw .notStartedByHost(cookieKey: magicCookie.key)
    }
    guard magicCookie.isPresent(in: environment) else { throw .wrongCookie(key: magicCookie.key) }

    // An empty variable counts as unset, as in go-plugin.
    func variable(_ name: String) -> String? {
      guard let value = environment[name], !value.isEmpty else { return nil }
      return value
    }
    self.protocolVersion = try Self.negotiate(
      hostVersions: variable("PLUGIN_PROTOCOL_VERSIONS"), pluginVersions: protocolVersions)
    self.socketDirectory = variable("PLUGIN_UNIX_SOCKET_DIR")
    self.socketGroup = variable("PLUGIN_UNIX_SOCKET_GROUP")
    if variable("PLUGIN_CLIENT_CERT") != nil { throw .mutualTLS }
    self.wantsMultiplexingField = variable("PLUGIN_MULTIPLEX_GRPC") != nil
  }

  /// The highest version in common. A host that sends no list is an old one: it gets the lowest, as from
  /// go-plugin. Entries of the list that are no numbers are passed over.
  private static func negotiate(
    hostVersions: String?, pluginVersions: [Int]
  ) throws(PluginServerError) -> Int {
    let common: Int?
    if let hostVersions {
      let offered = Set(hostVersions.split(separator: ",").compactMap { Int($0) })
      common = pluginVersions.filter(offered.contains).max()
    } else {
      common = pluginVersions.min()
    }
    guard let common else {
      throw .noCommonProtocolVersion(host: hostVersions ?? "", plugin: pluginVersions.sorted())
    }
    return common
  }
}
