import ArgumentParser
import Foundation
import Logging
import Processes
import Systemd
import SystemdDriver

/// `check`: what an operator would try by hand before units are made tasks.
struct CheckCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Tell whether this host and its units are fit for tasks.",
    discussion: """
      Looks at systemd, the journal and the tools on this host, and at each unit, by commands that change nothing. \
      Exits with 0 if all is ok, 1 if something warns, 2 if something fails.
      """)

  @Argument(help: "Units, for example hello.service; without a suffix they are services.")
  var units: [String] = []

  @OptionGroup var prefix: CommandPrefixOptions

  @Option(help: "The kill_timeout that the jobs have, in seconds.")
  var killTimeout = 5.0

  @Flag(help: "Print JSON instead of a table.")
  var json = false

  @Flag(name: .shortAndLong, help: "Print each command, as it was run, on standard error.")
  var verbose = false

  func validate() throws {
    guard (0...86400).contains(self.killTimeout) else {
      throw ValidationError("--kill-timeout takes 0 to 86400 seconds.")
    }
    guard !self.prefix.commandPrefix.contains("") else {
      throw ValidationError("No word of --command-prefix may be empty.")
    }
  }

  func run() async throws {
    var logger = Logger(label: "check") { StreamLogHandler.standardError(label: $0) }
    logger.logLevel = self.verbose ? .debug : .warning
    let checks = try await HostCheck(
      runner: ProcessCommandRunner(logger: logger), commandPrefix: self.prefix.commandPrefix
    ).run(self.units, killTimeout: .seconds(self.killTimeout))
    let report = CheckReport(checks)
    print(self.json ? try report.json : report.table)
    let status: Int32 =
      switch report.verdict {
      case .ok: 0
      case .warn: 1
      case .fail: 2
      }
    throw ExitCode(status)
  }
}
