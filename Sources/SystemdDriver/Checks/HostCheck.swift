public import Processes
import Systemd

/// Checks what tasks need of this host and of units, by commands that change nothing.
public struct HostCheck: Sendable {
  /// The oldest systemd that the driver works with.
  static let oldestVersion = 247
  /// A unit that does not exist. If systemd refuses to start and to stop it for that reason, the driver has
  /// the right to ask for it; nothing is changed.
  static let missingUnit = "nomad-driver-systemd-check-of-rights.service"
  /// `systemctl show` of one unit is slow if it takes longer than this; it usually takes some 10 ms.
  static let slowShow: Duration = .milliseconds(250)
  /// How often `systemctl show` is timed. The fastest counts, as other work on the machine only makes it
  /// slower.
  static let showCount = 3
  /// The time limit of each command.
  static let timeLimit: Duration = .seconds(10)

  private let runner: any CommandRunner
  let commandPrefix: [String]
  let systemctl: Systemctl

  /// - Parameters:
  ///   - runner: runs the commands.
  ///   - commandPrefix: words put before every command, to reach a systemd elsewhere.
  public init(runner: any CommandRunner, commandPrefix: [String] = []) {
    self.runner = runner
    self.commandPrefix = commandPrefix
    self.systemctl = Systemctl(
      runner: runner, path: Self.path("systemctl", commandPrefix), commandPrefix: commandPrefix)
  }

  /// Checks the host and then units.
  ///
  /// - Parameters:
  ///   - units: names as jobs have them.
  ///   - killTimeout: Nomad's `kill_timeout` of the units' tasks.
  /// - Throws: `CancellationError`; any other error is a finding.
  public func run(_ units: [String], killTimeout: Duration) async throws -> [Check] {
    let (version, programs) = try await self.programs()
    let (manager, systemd) = try await self.systemd(version)
    var checks = programs + [systemd]
    if systemd.verdict != .fail {
      checks += try await [self.logLevel(manager), self.rights(), self.show()]
    }
    checks += try await [self.journal(), self.journalSync(), self.journalStorage(), self.journalLimits()]
    checks += try await [self.controlGroups(), self.exec()]
    for unit in units {
      guard systemd.verdict != .fail else {
        checks.append(Check("unit", of: unit, .fail, "not checked: systemd does not answer"))
        continue
      }
      checks += try await self.unit(
        unit, killTimeout: killTimeout, defaultStopTimeout: manager["DefaultTimeoutStopUSec"])
    }
    return checks
  }

  /// Runs a program in the same way as the driver runs systemctl.
  func run(_ name: String, _ arguments: String...) async throws -> CommandOutput {
    try await self.tool(name).run(arguments[0], [], arguments, timeLimit: Self.timeLimit)
  }

  /// A program, reached through the command prefix.
  func tool(_ name: String) -> SystemdTool {
    SystemdTool(runner: self.runner, name: name, path: self.path(name), commandPrefix: self.commandPrefix)
  }

  /// The path of a program.
  func path(_ name: String) -> String { Self.path(name, self.commandPrefix) }

  /// Behind a command prefix the other system finds the program by its name.
  private static func path(_ name: String, _ commandPrefix: [String]) -> String {
    commandPrefix.isEmpty ? Executable.find(name) : name
  }

  /// Runs a check. If a command of it fails, that is the finding, with the given verdict.
  func check(_ name: String, _ verdict: Check.Verdict, _ body: () async throws -> Check) async throws
    -> Check
  {
    do {
      return try await body()
    } catch let error as SystemdError {
      return Check(name, verdict, error)
    }
  }

  /// What a command wrote, as one line; how it ended if it wrote nothing.
  func message(of output: CommandOutput) -> String {
    let text = DisplayText(output.result.standardError + output.standardOutput.prefix(200)).text
    return text.isEmpty ? "\(output.result.termination)" : text
  }
}
