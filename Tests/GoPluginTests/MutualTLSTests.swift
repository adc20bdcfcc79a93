import Foundation
import GRPCCore
import LibGRPCTransport
import Synchronization
import Testing

@testable import GoPlugin

@Suite struct MutualTLSTests {
  let environment = ["PATH": "/usr/bin:/bin"]

  /// What `openssl` prints.
  func openssl(_ arguments: [String], input: String = "") async throws -> (ChildProcess.ExitStatus, String) {
    let output = Mutex("")
    let add: @Sendable ([UInt8]) -> Void = { line in
      output.withLock { $0 += String(decoding: line, as: UTF8.self) + "\n" }
    }
    let process = try ChildProcess.spawn(
      "/usr/bin/openssl", arguments, environment: self.environment, input: Array(input.utf8), onOutput: add,
      onError: add)
    defer { process.kill(SIGKILL) }
    let status = try await process.end.value
    return (status, output.withLock { $0 })
  }

  func clientSecurity(_ own: PluginCertificate, server: [UInt8]) -> LibGRPC.ClientSecurity {
    .mutualTLS(
      certificateChain: own.certificate, privateKey: own.privateKey,
      serverCertificateAuthorities: PEM.text("CERTIFICATE", server), serverName: "localhost")
  }

  @Test func onlyTheHostCanConnect() async throws {
    let host = try await PluginCertificate.generate(environment: self.environment)
    let other = try await PluginCertificate.generate(environment: self.environment)
    let environment = self.environment.merging(["PLUGIN_CLIENT_CERT": host.certificate]) { $1 }
    try await TestPlugin.with(environment: environment) { plugin in
      let server = try #require(plugin.line.serverCertificate)
      try await plugin.withClient(security: self.clientSecurity(host, server: server)) { client in
        try await client.expectServing("plugin")
      }
      for security in [.plaintext, self.clientSecurity(other, server: server)] {
        try await plugin.withClient(security: security) { client in
          let error = await #expect(throws: RPCError.self) { try await client.health(of: "plugin") }
          #expect(error?.code == .unavailable)
        }
      }
      // The client notices if somebody else answers.
      try await plugin.withClient(security: self.clientSecurity(host, server: other.der)) { client in
        _ = await #expect(throws: RPCError.self) { try await client.health(of: "plugin") }
      }
      // TLS without a certificate.
      let (status, text) = try await self.openssl(
        ["s_client", "-unix", plugin.line.socketPath, "-alpn", "h2", "-tls1_2", "-ign_eof"])
      #expect(text.contains("Acceptable client certificate CA names"), "\(text)")
      #expect(status == .exited(1), "\(text)")
    }
  }

  @Test func certificateIsAsGoPluginHasIt() async throws {
    let certificate = try await PluginCertificate.generate(environment: self.environment)
    let (status, text) = try await self.openssl(["x509", "-noout", "-text"], input: certificate.certificate)
    #expect(status == .exited(0))
    for part in [
      "CN = localhost", "id-ecPublicKey", "CA:TRUE", "DNS:localhost", "TLS Web Client Authentication",
      "TLS Web Server Authentication", "Digital Signature, Key Encipherment, Key Agreement, Certificate Sign",
    ] {
      #expect(text.contains(part), "\(part) in \(text)")
    }
    #expect(PEM.blocks("CERTIFICATE", in: certificate.certificate) == [certificate.der])
    let second = try await PluginCertificate.generate(environment: self.environment)
    #expect(second.privateKey != certificate.privateKey)
  }

  @Test(arguments: [
    "certificate", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
    "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----",
    "-----BEGIN CERTIFICATE-----\naGVsbG8=\n",
    "-----BEGIN CERTIFICATE-----\n####\n-----END CERTIFICATE-----",
    "-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----",
  ])
  func badHostCertificateRefusesToStart(certificate: String) async throws {
    try await self.expectRefusal(certificate, self.environment, part: "PLUGIN_CLIENT_CERT")
  }

  @Test func missingOrFailingCommandRefusesToStart() async throws {
    let host = try await PluginCertificate.generate(environment: self.environment)
    try await self.expectRefusal(host.certificate, ["PATH": "/nonexistent"], part: "'openssl' is not in")
    let folder = try TemporaryFolder(environment: [:])
    defer { folder.remove() }
    let link = "\(folder.path)/openssl"
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "/bin/false")
    try await self.expectRefusal(host.certificate, ["PATH": folder.path], part: "failed with exit status 1")
    // Succeeds, but makes no certificate.
    try FileManager.default.removeItem(atPath: link)
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "/bin/true")
    try await self.expectRefusal(host.certificate, ["PATH": folder.path], part: "printed none")
  }

  private func expectRefusal(_ certificate: String, _ environment: [String: String], part: String)
    async throws
  {
    let environment = environment.merging(["PLUGIN_CLIENT_CERT": certificate]) { $1 }
    let error = await #expect(throws: PluginServerError.self) {
      try await TestPlugin.with(environment: environment) { _ in Issue.record("It must not start.") }
    }
    guard case .tls(let text) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(text.contains(part), "\(text)")
  }
}
