import ControlGroups
import Foundation
import Logging
import NomadPlugin
import Processes
import Systemd
import Transcripts

/// The commands of the systemd that the driver works with.
struct SystemdClient: Sendable {
  let systemctl: Systemctl
  let journalctl: Journalctl
  /// Reads what units use.
  let usage: UsageSampler
  /// Whether it may be another system, whose processes and files are not seen here. A replay's is one.
  let isRemote: Bool
  /// Whether its clock is the one here, or was where the commands were recorded.
  let sharesClock: Bool
  let followers: JournalFollowers
  /// Asks systemd about units.
  private let looks: RequestCoalescer<UnitName, Result<UnitStatus, SystemdError>>
  /// Of the boot that this is (random(4)); nil where it is not known.
  let bootID: String?
  /// What answers in place of a systemd; nil where there is one.
  let replay: ReplayingCommandRunner?
  /// Looks into files.
  private let grep: any CommandRunner

  /// How many commands that are shared may ask systemd about units at once.
  private static let lookWidth = 4

  /// - Parameter version: the plugin's version.
  /// - Throws: `ConfigurationError` if there is no transcript to replay or no file to record to.
  init(_ configuration: PluginOptions, version: String, runner: any CommandRunner, logger: Logger)
    throws(ConfigurationError)
  {
    var runner = runner
    var grep: any CommandRunner = InProcessGrep()
    var commandPrefix = configuration.commandPrefix
    var recordedPrefix = commandPrefix
    switch configuration.transcript {
    case nil:
      self.replay = nil
    case .record(let destination):
      self.replay = nil
      if let writer = try Self.writer(destination, version, commandPrefix, logger) {
        runner = RecordingCommandRunner(runner, to: writer)
        grep = RecordingCommandRunner(grep, to: writer)
      }
    case .replay(let file, let speed):
      let transcript: Transcript
      do {
        transcript = try Transcript(contentsOf: file)
      } catch {
        throw ConfigurationError(attribute: "replay", problem: "\(error)")
      }
      let replay = ReplayingCommandRunner(transcript, speed: speed, logger: logger)
      self.replay = replay
      runner = replay
      grep = replay
      recordedPrefix = transcript.header.commandPrefix
      commandPrefix = []
    }
    self.grep = grep
    // Behind a prefix the other system looks the names up.
    func path(_ name: String) -> String { commandPrefix.isEmpty ? Executable.find(name) : name }
    self.sharesClock = recordedPrefix.isEmpty
    self.isRemote = self.replay != nil || !commandPrefix.isEmpty
    self.bootID = self.isRemote ? nil : BootID.current
    self.systemctl = Systemctl(
      runner: runner, path: configuration.systemctlPath ?? path("systemctl"),
      commandPrefix: commandPrefix)
    self.journalctl = Journalctl(
      runner: runner, path: configuration.journalctlPath ?? path("journalctl"),
      commandPrefix: commandPrefix, logger: logger)
    self.followers = JournalFollowers(self.journalctl)
    self.looks = RequestCoalescer(width: Self.lookWidth) { [systemctl = self.systemctl] in
      do {
        return try await systemctl.show($0)
      } catch is SystemdError where $0.count > 1 {
        // Another job's unit may be why, and is nothing to the others: each is asked for alone.
        return [:]
      }
    }
    self.usage = UsageSampler(groups: self.isRemote ? nil : .current, systemctl: self.systemctl)
  }

  /// Does what the tasks share, until the task is cancelled.
  func run() async {
    await withDiscardingTaskGroup { group in
      group.addTask { await self.looks.run() }
      group.addTask { await self.usage.run() }
      group.addTask { await self.followers.run() }
    }
  }

  /// What systemd knows of a unit: units that are asked about at about the same time share one command. Needs ``run()``.
  ///
  /// - Throws: ``SystemdError`` or `CancellationError`.
  func show(_ unit: UnitName) async throws -> UnitStatus {
    guard let status = try await self.looks.answer(to: unit) else {
      return try await self.systemctl.show(unit)
    }
    return try status.get()
  }

  /// What systemd knows of a unit, asked again for a second where systemd cannot be reached.
  ///
  /// - Throws: ``SystemdError`` or `CancellationError`.
  func showPatiently(_ unit: UnitName) async throws -> UnitStatus {
    try await SystemdError.retrying(
      after: [.milliseconds(100), .milliseconds(300), .milliseconds(600)],
      if: { $0.reason == .managerUnreachable }
    ) {
      try await self.show(unit)
    }
  }

  /// Whether a start of the unit may do nothing since conditions of it are not met, as far as its files show: systemctl
  /// succeeds then and shows no conditions, so it takes another look after the start, which most units can be spared.
  func mayHaveConditions(_ status: UnitStatus) async -> Bool {
    guard self.sharesClock, status.needsDaemonReload == false else { return true }
    let files = [status.fragmentPath].compactMap(\.self) + status.dropInPaths
    guard !files.isEmpty else { return false }
    let result = try? await self.grep.run(InProcessGrep.command("Condition", in: files)) { _ in }
    return result?.termination != .exited(1)
  }

  /// Begins a recording. One that an operator has switched on for good must not keep the agent from starting.
  private static func writer(
    _ destination: TranscriptWriter.Destination, _ version: String, _ commandPrefix: [String],
    _ logger: Logger
  ) throws(ConfigurationError) -> TranscriptWriter? {
    do {
      return try TranscriptWriter(
        to: destination, plugin: version, commandPrefix: commandPrefix, logger: logger)
    } catch {
      if case .file = destination { throw ConfigurationError(attribute: "record", problem: "\(error)") }
      logger.error("Commands are not recorded.", metadata: ["error": "\(error)"])
      return nil
    }
  }
}
