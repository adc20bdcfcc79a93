import Testing

@testable import GoPlugin

@Suite struct HandshakeTests {
  static let cookie = MagicCookie(key: "TEST_COOKIE", value: "open sesame")

  func handshake(
    _ environment: [String: String], versions: [Int] = [2]
  ) throws(PluginServerError) -> Handshake {
    try Handshake(
      environment: environment.merging(["TEST_COOKIE": "open sesame"]) { given, _ in given },
      magicCookie: Self.cookie, protocolVersions: versions)
  }

  @Test func missingCookieMeansThatAPersonStartedThePlugin() {
    for environment in [[:], ["TEST_COOKIE": ""], ["OTHER": "open sesame"]] {
      #expect(throws: PluginServerError.notStartedByHost(cookieKey: "TEST_COOKIE")) {
        try Handshake(environment: environment, magicCookie: Self.cookie, protocolVersions: [2])
      }
      #expect(!Self.cookie.isPresent(in: environment))
    }
  }

  @Test func wrongCookieIsAnotherHost() {
    #expect(throws: PluginServerError.wrongCookie(key: "TEST_COOKIE")) {
      try self.handshake(["TEST_COOKIE": "open barley"])
    }
  }

  @Test(
    arguments: [
      ("2", [2], 2), ("1,2,3", [2], 2), ("3,1,2", [1, 2], 2), ("1,2", [4, 2, 1], 2), ("2,x,,-", [2], 2),
      // No list: a host from before there were lists gets the lowest version.
      (nil, [3, 2], 2), ("", [3, 2], 2),
    ] as [(String?, [Int], Int)])
  func highestCommonVersionIsChosen(offered: String?, own: [Int], expected: Int) throws {
    let environment = offered.map { ["PLUGIN_PROTOCOL_VERSIONS": $0] } ?? [:]
    #expect(try self.handshake(environment, versions: own).protocolVersion == expected)
  }

  @Test(arguments: ["1", "3,4", "x", "22", ","])
  func noCommonVersionNamesBothSides(offered: String) throws {
    let error = #expect(throws: PluginServerError.self) {
      try self.handshake(["PLUGIN_PROTOCOL_VERSIONS": offered], versions: [2, 0])
    }
    #expect(error == .noCommonProtocolVersion(host: offered, plugin: [0, 2]))
    #expect(error?.description.contains("'\(offered)'") == true)
    #expect(error?.description.contains("0, 2") == true)
  }

  @Test func otherVariablesAreRead() throws {
    let handshake = try self.handshake([
      "PLUGIN_UNIX_SOCKET_DIR": "/run/x", "PLUGIN_UNIX_SOCKET_GROUP": "nomad",
      "PLUGIN_MULTIPLEX_GRPC": "true",
    ])
    #expect(handshake.socketDirectory == "/run/x")
    #expect(handshake.socketGroup == "nomad")
    #expect(handshake.wantsMultiplexingField)
  }

  @Test func mutualTLSIsRefused() {
    let error = #expect(throws: PluginServerError.mutualTLS) {
      try self.handshake(["PLUGIN_CLIENT_CERT": "-----BEGIN CERTIFICATE-----"])
    }
    for part in ["PLUGIN_CLIENT_CERT", "AutoMTLS", "Unset"] {
      #expect(error?.description.contains(part) == true)
    }
  }

  @Test func emptyVariablesAreUnset() throws {
    let handshake = try self.handshake([
      "PLUGIN_UNIX_SOCKET_DIR": "", "PLUGIN_UNIX_SOCKET_GROUP": "", "PLUGIN_CLIENT_CERT": "",
      "PLUGIN_MULTIPLEX_GRPC": "",
    ])
    let withoutAny = try self.handshake([:])
    #expect(handshake == withoutAny)
    #expect(handshake.socketDirectory == nil)
    #expect(!handshake.wantsMultiplexingField)
  }
}
