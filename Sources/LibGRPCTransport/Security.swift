internal import CGRPC

extension LibGRPC {
  /// How a server protects its connections.
  public enum ServerSecurity: Sendable {
    /// No TLS: whoever can open the socket is trusted.
    case plaintext
    /// TLS, and only clients with a certificate that one of the authorities signed. All texts are PEM.
    case mutualTLS(certificateChain: String, privateKey: String, clientCertificateAuthorities: String)
  }

  /// How a client protects its connection.
  public enum ClientSecurity: Sendable {
    /// No TLS.
    case plaintext
    /// TLS with a certificate of the client's own; the server must have one for `serverName` that one of the
    /// authorities signed. All texts are PEM.
    case mutualTLS(
      certificateChain: String, privateKey: String, serverCertificateAuthorities: String, serverName: String)
  }
}

/// Calls `body` with a key and its certificate in libgrpc's form; libgrpc copies them.
private func withKeyPair<R>(
  _ certificateChain: String, _ privateKey: String,
  _ body: (UnsafeMutablePointer<grpc_ssl_pem_key_cert_pair>) -> R
) -> R {
  privateKey.withCString { key in
    certificateChain.withCString { chain in
      var pair = grpc_ssl_pem_key_cert_pair(private_key: key, cert_chain: chain)
      return body(&pair)
    }
  }
}

extension LibGRPC.ServerSecurity {
  /// Credentials for libgrpc, released by the caller; nil if libgrpc does not take them.
  func makeCredentials() -> OpaquePointer? {
    LibGRPC.initialise
    switch self {
    case .plaintext:
      return grpc_insecure_server_credentials_create()
    case .mutualTLS(let certificateChain, let privateKey, let authorities):
      return withKeyPair(certificateChain, privateKey) { pair in
        grpc_ssl_server_credentials_create_ex(
          authorities, pair, 1, GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY, nil)
      }
    }
  }
}

extension LibGRPC.ClientSecurity {
  /// Credentials for libgrpc, released by the caller; nil if libgrpc does not take them.
  func makeCredentials() -> OpaquePointer? {
    LibGRPC.initialise
    switch self {
    case .plaintext:
      return grpc_insecure_credentials_create()
    case .mutualTLS(let certificateChain, let privateKey, let authorities, _):
      return withKeyPair(certificateChain, privateKey) { pair in
        grpc_ssl_credentials_create(authorities, pair, nil, nil)
      }
    }
  }
}
