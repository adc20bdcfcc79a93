import ArgumentParser
import Dispatch
import ExecHelper
import Foundation
import GoPlugin
import Systemd

/// Where the program begins.
@main
enum Main {
  static func main() {
    // The helper needs a process with one thread; what waits for asynchronous code has more.
    ExecHelper.runIfAsked()
    Task {
      await NomadDriverSystemd.main()
      exit(EXIT_SUCCESS)
    }
    dispatchMain()
  }
}

/// The program: a plugin under Nomad, a tool for a person.
struct NomadDriverSystemd: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "nomad-driver-systemd",
    abstract: "A Nomad task driver for systemd units.",
    discussion: """
      A Nomad agent starts this program from its plugin_dir. The agent's configuration must name it by its file \
      name: plugin "nomad-driver-systemd" { config { … } }. Jobs use driver = "systemd".
      """,
    version: pluginVersion, subcommands: [RunCommand.self, CheckCommand.self, TranscriptCommand.self])

  func run() async throws {
    guard magicCookie.isPresent(in: environment()) else {
      printError(
        """
        This is a plugin for HashiCorp Nomad: a Nomad agent starts it, and it does nothing when it is run by hand.

        To use it, put it into the agent's plugin_dir and add this to the agent's configuration:

            plugin "nomad-driver-systemd" {
              config {}
            }

        To try it without Nomad:  nomad-driver-systemd run UNIT
        For all it can do:        nomad-driver-systemd --help
        """)
      throw ExitCode.failure
    }
    try await Plugin.run()
  }
}

/// The plugin's version (semantic versioning).
let pluginVersion = "0.1.0"

/// What tells the plugin that Nomad has started it (hashicorp/nomad, `plugins/base/plugin.go`).
let magicCookie = MagicCookie(
  key: "NOMAD_PLUGIN_MAGIC_COOKIE", value: "e4327c2e01eabfd75a8a67adb114fb34a757d57eee7728d857a8cec6e91a7255")

/// The version of Nomad's plugin protocol that this plugin speaks.
let nomadProtocolVersion = 2

/// Writes a line for the person at the terminal.
func printError(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
