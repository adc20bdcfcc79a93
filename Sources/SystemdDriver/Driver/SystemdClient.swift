import AsyncPrimitives
import ControlGroups
import Foundation
import Logging
import NomadPlugin
import Processes
import Systemd
import Transcripts

/// The commands of the systemd that the driver works with, and what the tasks share of them.
struct SystemdClient: Sendable {
  let location: SystemdLocation
  let systemctl: Systemctl
  let journalctl: Journalctl
  let analyze: SystemdAnalyze
  /// Reads what units use.
  let usage: UsageSampler
  let followers: JournalFollowers
  /// Asks systemd about units.
  private let statuses: RequestCoalescer<UnitName, Result<UnitStatus, SystemdError>>
  /// Asks the journal what the service manager has said about units.
  private let histories: RequestCoalescer<UnitName, [JournalEntry]>
  /// Asks for the state of the whole system.
  private let systemStates: RequestCoalescer<Manager, String>
  /// Searches files.
  private let grep: any CommandRunner

  private enum Manager { case system }

  /// No process of the plugin outlives it.
  private let knownUserspaceRun = Promise<String?>()

  /// How many shared commands may ask systemd about units at once.
  private static let maximumShowCommands = 4

  /// - Parameter version: the plugin's version.
  /// - Throws: `ConfigurationError` if there is no transcript to replay or no file to record to.
  init(_ options: PluginOptions, version: String, runner: any CommandRunner, logger: Logger)
    throws(ConfigurationError)
  {
    let runners = try CommandRunners(options, version: version, runner: runner, logger: logger)
    self.location = runners.location
    self.grep = runners.grep
    let commandPrefix = self.location.replay == nil ? options.commandPrefix : []
    // Behind a prefix the other system finds the programs.
    func path(_ name: String) -> String { commandPrefix.isEmpty ? Executable.find(name) : name }
    let commands = ClaimedCommandRunner(runners.commands)
    self.systemctl = Systemctl(
      runner: commands, path: options.systemctlPath ?? path("systemctl"),
      commandPrefix: commandPrefix)
    self.journalctl = Journalctl(
      runner: commands, path: options.journalctlPath ?? path("journalctl"),
      commandPrefix: commandPrefix, logger: logger)
    self.analyze = SystemdAnalyze(
      runner: commands, path: path("systemd-analyze"), commandPrefix: commandPrefix)
    self.followers = JournalFollowers(self.journalctl, logger: logger)
    self.statuses = RequestCoalescer(width: Self.maximumShowCommands) { [systemctl = self.systemctl] in
      do {
        return try await systemctl.show($0)
      } catch is SystemdError where $0.count > 1 {
        // Another job's unit may be why, and is nothing to the others: each is asked for alone.
        return [:]
      }
    }
    self.histories = RequestCoalescer(width: Self.maximumShowCommands) {
      [journalctl = self.journalctl, followers = self.followers] units in
      try await followers.sync()
      return try await journalctl.managerEntries(about: units)
    }
    self.systemStates = RequestCoalescer { [systemctl = self.systemctl] _ in
      [.system: try await systemctl.systemState()]
    }
    self.usage = UsageSampler(
      groups: self.location.isLocal ? .current : nil, systemctl: self.systemctl)
  }

  /// Does what the tasks share, until the task is cancelled.
  func run() async {
    await withDiscardingTaskGroup { group in
      group.addTask { await self.statuses.run() }
      group.addTask { await self.histories.run() }
      group.addTask { await self.systemStates.run() }
      group.addTask { await self.usage.run() }
      group.addTask { await self.followers.run() }
    }
  }

  /// What systemd knows of a unit: units that are asked about at about the same time share one command. Needs ``run()``.
  ///
  /// - Throws: ``SystemdError`` or `CancellationError`.
  func show(_ unit: UnitName) async throws -> UnitStatus {
    guard let status = try await self.statuses.value(for: unit) else {
      return try await self.systemctl.show(unit)
    }
    return try status.get()
  }

  /// What systemd knows of a unit, asked again for a second while systemd cannot be reached.
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

  /// What the journal says of a unit since a position. Units that are asked about at about the same time share one command.
  /// Needs ``run()``.
  ///
  /// - Throws: ``SystemdError`` or `CancellationError`.
  func history(of unit: UnitName, after position: JournalPosition) async throws -> UnitHistory {
    let entries = try await self.histories.value(for: unit) ?? []
    return UnitHistory(entries.filter { position.precedes($0) })
  }

  /// Identifies the run of the system's services on this host: the invocation ID of `sysinit.target`, on which nearly all of
  /// them depend. It outlives `systemctl daemon-reexec`; a `soft-reboot`, which keeps the boot ID, begins a new one.
  ///
  /// - Returns: nil if it is not known, or the unit's host is another one. Needs ``run()``.
  func userspaceRun() async -> String? {
    if let known = self.knownUserspaceRun.current { return known }
    guard self.location.isLocal, let target = try? UnitName("sysinit.target"),
      let properties = try? await self.systemctl.properties(["InvocationID"], of: target)
    else { return nil }
    let run = properties["InvocationID"].flatMap { $0.isEmpty ? nil : $0 }
    self.knownUserspaceRun.fulfil(run)
    return run
  }

  /// Whether the whole system goes down: `poweroff`, `reboot`, `soft-reboot`.
  ///
  /// - Throws: ``SystemdError`` or `CancellationError`.
  func isStopping() async throws -> Bool {
    // What a replay's systemd did to the unit was recorded to its end.
    if self.location.replay != nil { return false }
    return try await self.systemStates.value(for: .system) == "stopping"
  }

  /// Whether a start of the unit may do nothing since conditions of it are not met, as far as its files show.
  ///
  /// `systemctl start` succeeds then and shows no conditions, so such a start needs another question afterwards, which
  /// most units can be spared.
  func mayHaveConditions(_ status: UnitStatus) async -> Bool {
    guard self.location.sharesClock, status.needsDaemonReload == false else { return true }
    let files = [status.fragmentPath].compactMap(\.self) + status.dropInPaths
    guard !files.isEmpty else { return false }
    let result = try? await self.grep.run(InProcessGrep.command("Condition", in: files)) { _ in }
    return result?.termination != .exited(1)
  }

  /// Where the journal ends now.
  ///
  /// - Parameter logger: is told if journalctl does not answer; then the position is the time.
  func presentOfJournal(_ logger: Logger) async -> JournalPosition {
    let now = RealtimeTimestamp(Date())
    // One clock, and no command: a start takes little longer than systemctl start does.
    guard !self.location.sharesClock else {
      return self.location.bootID.flatMap { JournalCursor.now(inBoot: $0) }.map { .after($0) } ?? .since(now)
    }
    do {
      return try await self.journalctl.currentCursor().map { .after($0) } ?? .beginning
    } catch {
      logger.warning("Cannot read the end of the journal", metadata: ["error": "\(error)"])
      return .since(now)
    }
  }
}
