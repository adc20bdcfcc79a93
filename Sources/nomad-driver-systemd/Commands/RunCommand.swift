import Logging
import ArgumentParser
import Dispatch
import Foundation
import GoPlugin
import GRPCCore
import MessagePack
import NomadPlugin

/// `run`: does with a unit what Nomad does, without Nomad.
struct RunCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Run a unit to its end as a Nomad task, without Nomad.",
    discussion: """
      Starts this program as a plugin, sends it the calls that a Nomad agent sends, and prints the unit's log \
      lines on standard output and the task's events on standard error. Ctrl-C stops the unit, a second Ctrl-C \
      kills it. Exits with the unit's exit status.
      """)

  @Argument(help: "The unit, for example hello.service; without a suffix it is a service.")
  var unit: String

  @OptionGroup var prefix: CommandPrefixOptions

  @Option(help: "The seconds that the unit may take to stop before it is killed.")
  var killTimeout = 5.0

  @Option(
    help: ArgumentHelp("Record all commands to this new file; see `transcript`.", valueName: "file"),
    completion: .file())
  var record: String?

  @Option(
    help: ArgumentHelp("Answer all commands from this recording, in place of systemd.", valueName: "file"),
    completion: .file(extensions: ["jsonl"]))
  var replay: String?

  @Option(help: "How many times as fast as it was recorded a replay goes; 0: as fast as it can.")
  var replaySpeed = 1.0

  @Flag(name: .shortAndLong, help: "Print the plugin's log on standard error.")
  var verbose = false

  func validate() throws {
    guard (0...86400).contains(self.killTimeout) else {
      throw ValidationError("--kill-timeout takes 0 to 86400 seconds.")
    }
    guard self.replay == nil || (self.record == nil && self.prefix.commandPrefix.isEmpty) else {
      throw ValidationError("--replay runs no commands: leave --record and --command-prefix out.")
    }
  }

  func run() async throws {
    // A reader of the output that goes away, as in `run UNIT | head`, must not leave the unit and the plugin behind.
    signal(SIGPIPE, SIG_IGN)
    let signals = InterruptSignals()
    defer { signals.cancel() }
    let host = PluginHost(
      path: "/proc/\(ProcessInfo.processInfo.processIdentifier)/exe", magicCookie: magicCookie,
      protocolVersions: [nomadProtocolVersion])
    let result: ExitResult
    do {
      result = try await host.withPlugin(onOutput: self.printLog) { plugin in
        try await self.runTask(NomadPluginClient(plugin.client), signals)
      }
    } catch {
      printError("nomad-driver-systemd: \(error)")
      throw ExitCode.failure
    }
    let message = result.message.map { ": \($0)" } ?? ""
    printError("==> \(self.unit) ended with exit code \(result.exitCode)\(message)")
    throw ExitCode(result.exitCode)
  }

  private func printLog(_ output: PluginOutput) {
    switch output {
    case .log(let entry) where self.verbose || entry.level >= .warning:
      let details = entry.metadata.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
      printError("[\(entry.level)] \(entry.message)\(details)")
    case .log:
      break
    case .standardError(let line), .standardOutput(let line):
      printError(line)
    }
  }

  private static func absolute(_ path: String) -> String {
    path.hasPrefix("/") ? path : "\(FileManager.default.currentDirectoryPath)/\(path)"
  }

  private func runTask(
    _ nomad: NomadPluginClient<some ClientTransport>, _ signals: InterruptSignals
  ) async throws -> ExitResult {
    // As it is with Nomad, but for a replay as fast as it can, which the polls would hold up.
    let options: MessagePackValue = [
      "command_prefix": .array(self.prefix.commandPrefix.map { .string($0) }),
      "poll_interval": self.replay != nil && self.replaySpeed == 0 ? "100ms" : "1s",
      "record": self.record.map { .string(Self.absolute($0)) } ?? nil,
      "replay": self.replay.map { .string(Self.absolute($0)) } ?? nil,
      "replay_speed": .float(self.replaySpeed),
      // Whoever runs this can run systemctl as well.
      "unprotected_units": ["*"],
    ]
    try await nomad.configure(
      PluginConfiguration(
        messagePack: try MessagePackEncoder().encode(options), agent: AgentConfiguration()))
    let directory = try LogDirectory()
    defer { directory.remove() }
    var task = TaskConfig(id: "run/\(self.unit)/\(ProcessInfo.processInfo.processIdentifier)")
    task.name = "run"
    task.jobName = "run"
    task.allocationID = "00000000-0000-0000-0000-000000000000"
    task.allocationDirectory = directory.path
    task.stdoutPath = directory.standardOutput
    task.stderrPath = directory.standardError
    // The task's events tell what systemd does.
    let driverConfig: MessagePackValue = ["unit": .string(self.unit), "logs": ["lifecycle": false]]
    task.driverConfig = try MessagePackEncoder().encode(driverConfig)
    let config = task
    async let events: Void = self.printEvents(nomad)
    async let stops: Void = self.stopTask(config.id, nomad, at: signals)
    // Opened before there is a writer, so that nothing of what it writes can be missed.
    let output = try directory.open(directory.standardOutput)
    let error = try directory.open(directory.standardError)
    do {
      _ = try await nomad.startTask(config)
    } catch let startError {
      close(output)
      close(error)
      throw startError
    }
    async let standardOutput: Void = directory.copyLines(from: output, to: STDOUT_FILENO)
    async let standardError: Void = directory.copyLines(from: error, to: STDERR_FILENO)
    let result = try await nomad.waitTask(config.id)
    // The plugin has ended the logs: these end with the last line.
    _ = await (standardOutput, standardError)
    // What a stop says of the unit comes after the unit's end.
    signals.cancel()
    await stops
    try await nomad.destroyTask(config.id, force: false)
    // The plugin ends the events, after the last one.
    try await nomad.shutdown()
    await events
    return result
  }

  private func printEvents(_ nomad: NomadPluginClient<some ClientTransport>) async {
    try? await nomad.taskEvents { printError("==> \($0.message)") }
  }

  /// Stops the task at the first signal, and kills it at each further one.
  private func stopTask(
    _ id: String, _ nomad: NomadPluginClient<some ClientTransport>, at signals: InterruptSignals
  ) async {
    var timeout = Duration.seconds(self.killTimeout)
    await withDiscardingTaskGroup { stops in
      for await _ in signals.stream {
        let now = timeout
        stops.addTask {
          do {
            try await nomad.stopTask(id, timeout: now)
          } catch {
            if !Task.isCancelled { printError("==> The unit cannot be stopped: \(error)") }
          }
        }
        timeout = .zero
      }
    }
  }
}
