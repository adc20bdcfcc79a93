import Logging
import NomadPlugin
import Processes
import Systemd
import Transcripts

/// What runs the driver's commands, by the plugin's options: processes, a recording of them, or a replay.
struct CommandRunners: Sendable {
  let location: SystemdLocation
  /// Runs systemctl and journalctl.
  let commands: any CommandRunner
  /// Searches files.
  let grep: any CommandRunner

  /// - Parameters:
  ///   - version: the plugin's version.
  ///   - runner: runs commands as processes.
  /// - Throws: `ConfigurationError` if there is no transcript to replay or no file to record to.
  init(_ options: PluginOptions, version: String, runner: any CommandRunner, logger: Logger)
    throws(ConfigurationError)
  {
    let location: SystemdLocation =
      options.commandPrefix.isEmpty ? .local(bootID: BootID.current) : .behindPrefix
    switch options.transcript {
    case nil:
      self.init(location: location, commands: runner, grep: InProcessGrep())
    case .record(let destination):
      guard let writer = try Self.writer(destination, version, options.commandPrefix, logger) else {
        self.init(location: location, commands: runner, grep: InProcessGrep())
        return
      }
      self.init(
        location: location, commands: RecordingCommandRunner(runner, to: writer),
        grep: RecordingCommandRunner(InProcessGrep(), to: writer))
    case .replay(let file, let speed):
      let transcript: Transcript
      do {
        transcript = try Transcript(contentsOf: file)
      } catch {
        throw ConfigurationError(attribute: "replay", problem: "\(error)")
      }
      let replay = ReplayingCommandRunner(transcript, speed: speed, logger: logger)
      self.init(
        location: .replayed(replay, wasLocal: transcript.header.commandPrefix.isEmpty), commands: replay,
        grep: replay)
    }
  }

  private init(location: SystemdLocation, commands: any CommandRunner, grep: any CommandRunner) {
    self.location = location
    self.commands = commands
    self.grep = grep
  }

  /// Begins a recording; nil if that fails for one that an operator has switched on for good: it must not keep the agent
  /// from starting.
  private static func writer(
    _ destination: TranscriptWriter.Destination, _ version: String, _ commandPrefix: [String],
    _ logger: Logger
  ) throws(ConfigurationError) -> TranscriptWriter? {
    do {
      return try TranscriptWriter(
        to: destination, plugin: version, commandPrefix: commandPrefix, logger: logger)
    } catch {
      if case .file = destination { throw ConfigurationError(attribute: "record", problem: "\(error)") }
      logger.error("Cannot record commands", metadata: ["error": "\(error)"])
      return nil
    }
  }
}
