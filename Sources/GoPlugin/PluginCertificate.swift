internal import Foundation
internal import Promises
internal import Synchronization

/// A key and a self-signed certificate of its own for each start of a plugin: what go-plugin calls AutoMTLS
/// (go-plugin, `mtls.go`). They are made by the command `openssl` and never touch the disk.
struct PluginCertificate {
  /// PEM.
  let privateKey: String
  /// PEM.
  let certificate: String
  /// The certificate in DER.
  let der: [UInt8]

  /// How long `openssl` may take.
  private static let timeLimit: Duration = .seconds(10)

  /// Configuration of `openssl req`; given in full, so that the system's own has no say.
  private static let request = """
    [req]
    distinguished_name = subject
    x509_extensions = extensions
    prompt = no
    [subject]
    CN = localhost
    [extensions]
    basicConstraints = critical, CA:TRUE
    keyUsage = critical, digitalSignature, keyEncipherment, keyAgreement, keyCertSign
    extendedKeyUsage = clientAuth, serverAuth
    subjectAltName = DNS:localhost
    subjectKeyIdentifier = hash

    """

  /// Makes a new key and certificate, valid for thirty years from now.
  ///
  /// - Throws: ``PluginServerError/tls(_:)`` if `openssl` is missing or fails; `CancellationError`.
  static func generate(environment: [String: String]) async throws -> PluginCertificate {
    let output = try await self.openssl(
      purpose: "Cannot make a certificate for the TLS that PLUGIN_CLIENT_CERT asks for",
      [
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-sha256",
        "-days", "10957", "-config", "/dev/stdin", "-keyout", "-", "-out", "-",
      ], input: self.request, environment: environment)
    guard let certificate = PEM.blocks("CERTIFICATE", in: output)?.first,
      let key = PEM.blocks("PRIVATE KEY", in: output)?.first
    else {
      throw PluginServerError.tls(
        "Cannot make the certificate that PLUGIN_CLIENT_CERT asks for: 'openssl req' printed none.")
    }
    return PluginCertificate(
      privateKey: PEM.text("PRIVATE KEY", key), certificate: PEM.text("CERTIFICATE", certificate),
      der: certificate)
  }

  /// Checks that the text is one or more certificates (PEM).
  ///
  /// - Throws: ``PluginServerError/tls(_:)`` if not, or `openssl` is missing; `CancellationError`.
  static func check(_ text: String, environment: [String: String]) async throws {
    guard let certificates = PEM.blocks("CERTIFICATE", in: text), !certificates.isEmpty else {
      throw PluginServerError.tls(
        "PLUGIN_CLIENT_CERT is set, but not to a certificate (PEM). The plugin does not start without the "
          + "TLS that it asks for.")
    }
    for certificate in certificates {
      _ = try await self.openssl(
        purpose: "Cannot read the certificate in PLUGIN_CLIENT_CERT", ["x509", "-noout"],
        input: PEM.text("CERTIFICATE", certificate), environment: environment)
    }
  }

  private static func openssl(
    purpose: String, _ arguments: [String], input: String, environment: [String: String]
  ) async throws -> String {
    let searchPath = environment["PATH"] ?? "/usr/bin:/bin"
    let candidates = searchPath.split(separator: ":").filter { $0.hasPrefix("/") }.map { "\($0)/openssl" }
    guard let path = candidates.first(where: { access($0, X_OK) == 0 }) else {
      throw PluginServerError.tls("\(purpose): the command 'openssl' is not in '\(searchPath)'. Install it.")
    }
    let command = "'\(([path] + arguments).joined(separator: " "))'"
    let output = Mutex("")
    let errors = Mutex("")
    let process: ChildProcess
    do {
      process = try ChildProcess.spawn(
        path, arguments, environment: environment, input: Array(input.utf8),
        onOutput: { line in output.withLock { $0 += String(decoding: line, as: UTF8.self) + "\n" } },
        onError: { line in errors.withLock { $0 += String(decoding: line, as: UTF8.self) + "\n" } })
    } catch {
      throw PluginServerError.tls("\(purpose): \(error)")
    }
    // Also if this task is cancelled.
    defer { process.kill(SIGKILL) }
    guard let status = try await process.end.value(within: self.timeLimit) else {
      throw PluginServerError.tls("\(purpose): \(command) did not end within \(self.timeLimit).")
    }
    guard status == .exited(0) else {
      let text = errors.withLock { $0 }.trimmingCharacters(in: .whitespacesAndNewlines)
      throw PluginServerError.tls("\(purpose): \(command) failed with \(status): \(text.prefix(2000))")
    }
    return output.withLock { $0 }
  }
}
