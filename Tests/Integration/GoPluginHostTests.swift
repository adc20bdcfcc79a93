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
  @Test(arguments: [[], ["-auto-mtls"]] as [[String]])
  func hashicorpsHost(options: [String]) async throws {
    let output = try await ProcessCommandRunner(logger: quietLogger).run(
      Command(executable: goHost, arguments: options + [program], timeLimit: .seconds(60)))
    let text = String(decoding: output.standardOutput, as: UTF8.self)
    let error = String(decoding: output.result.standardError, as: UTF8.self)
    #expect(output.result.termination == .exited(0), "\(text)\(error)")
    #expect(text.contains("ok "), "\(text)\(error)")
  }
}
