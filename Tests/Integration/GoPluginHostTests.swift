import Foundation
import NomadTestSupport
import Processes
import TestHelpers
import Testing

private let goHost = "\(interopDirectory)/goplugin-host"

/// The real program under hashicorp/go-plugin, the library that Nomad starts it with.
@Suite(
  .limitedParallelism,
  .enabled(if: FileManager.default.isExecutableFile(atPath: goHost), "make interop builds the host, from Go"))
struct GoPluginHostTests {
  @Test func hashicorpsHost() async throws {
    let (termination, output, error) = try await self.host()
    #expect(termination == .exited(0), "\(output)\(error)")
    #expect(output.contains("ok "), "\(output)\(error)")
  }

  @Test func mutualTLSIsRefused() async throws {
    let (termination, output, error) = try await self.host("-auto-mtls")
    #expect(termination == .exited(0), "\(output)\(error)")
    #expect(output == "ok auto-mtls refused\n")
    #expect(error.contains("AutoMTLS") && error.contains("PLUGIN_CLIENT_CERT"), "\(error)")
  }

  private func host(_ options: String...) async throws -> (Termination, output: String, error: String) {
    let output = try await ProcessCommandRunner(logger: quietLogger).run(
      Command(
        executable: goHost, arguments: options + [program], timeLimit: .seconds(60),
        inheritsEnvironment: true))
    return (
      output.result.termination, output.text, String(decoding: output.result.standardError, as: UTF8.self)
    )
  }
}
