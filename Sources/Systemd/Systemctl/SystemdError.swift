public import Processes

/// A command to systemd that failed: what was attempted on which units, what was answered, and what to do.
public struct SystemdError: Error, Sendable, Hashable {
  /// The kinds of failure that call for different reactions.
  public enum Reason: Sendable, Hashable {
    /// The command could not be started, or was killed.
    case command(CommandError)
    /// There is no systemd, or its bus cannot be reached.
    case managerUnreachable
    /// The caller lacks the right to do this.
    case accessDenied
    /// There is no such unit, or for `stop`, `kill` and `reset-failed`, it is not loaded.
    case unitNotFound
    /// The unit is masked.
    case unitMasked
    /// The unit's file has an error.
    case badUnitFile
    /// The unit is configured to refuse to be started or stopped by hand.
    case refused
    /// The unit is frozen (`systemctl freeze`); systemd of version 257 does not stop such a unit.
    case frozen
    /// The job ended unsuccessfully: the service failed to start, stop …
    case jobFailed
    /// The job took longer than the unit's own time limit.
    case jobTimedOut
    /// The job was cancelled by another one.
    case jobCanceled
    /// A unit that the unit requires failed.
    case dependencyFailed
    /// An assertion of the unit (`AssertPathExists=` …) does not hold.
    case assertionFailed
    /// The unit was started too often in too short a time.
    case startLimitHit
    /// There is no process to send the signal to.
    case noProcess
    /// The signal is not the name or number of one.
    case invalidSignal
    /// systemd cannot show the unit's properties, because one of them is not valid UTF-8.
    case unreadableProperties
    /// The journal does not accept the cursor.
    case invalidCursor
    /// A command that follows the journal ended.
    case ended
    /// The command succeeded and its output is not understood.
    case unexpectedOutput(String)
    /// Anything else.
    case other
  }

  /// The kind of failure.
  public let reason: Reason

  /// The program and the verb, such as `systemctl start`.
  public let action: String

  /// The units it was about.
  public let units: [UnitName]

  /// How the command ended, if it did.
  public let termination: Termination?

  /// What it wrote to standard error: bounded, on one line, without control characters.
  public let message: String

  init(
    _ reason: Reason, action: String, units: [UnitName], termination: Termination? = nil, message: String = ""
  ) {
    self.reason = reason
    self.action = action
    self.units = units
    self.termination = termination
    self.message = message
  }

  /// A command that ended with an exit status other than 0.
  init(action: String, units: [UnitName], result: CommandResult) {
    let message = DisplayText(result.standardError).text
    self.init(
      Self.classify(message, result.termination), action: action, units: units,
      termination: result.termination,
      message: message)
  }

  /// Classifies a failure by its message. The texts are those of systemd's `src/systemctl`, `src/core` and
  /// `src/shared/bus-*`, versions 247 to 262.
  private static func classify(_ message: String, _ termination: Termination) -> Reason {
    func says(_ parts: String...) -> Bool { parts.contains { message.contains($0) } }
    if says("bad unit file setting", "failed to load properly", "not loaded properly") { return .badUnitFile }
    if says(" is masked") { return .unitMasked }
    if says(" not found.", " not loaded.") || termination == .exited(5) { return .unitNotFound }
    if says("Operation refused") { return .refused }
    if says("frozen unit", "unit is frozen") { return .frozen }
    if says(
      "process to kill", "processes to kill", "units have no main", "units have no control",
      "does not support process killing")
    {
      return .noProcess
    }
    // A target, timer or path, which never has any.
    if says("Failed to kill unit"), says("Operation not supported") { return .noProcess }
    if says("Failed to parse signal") { return .invalidSignal }
    if says("attempted too often") { return .startLimitHit }
    if says("A dependency job for ") { return .dependencyFailed }
    if says("Assertion failed on job for ") { return .assertionFailed }
    if says("Job for ", "Job failed") {
      if says("timeout was exceeded") { return .jobTimedOut }
      return says("canceled") ? .jobCanceled : .jobFailed
    }
    if says("Failed to get properties: Invalid argument", "Failed to get properties: Bad message") {
      return .unreadableProperties
    }
    if says("seek to cursor", "parse cursor") { return .invalidCursor }
    if says(
      "Access denied", "Permission denied", "uthentication required", "not permitted",
      "insufficient permissions")
    {
      return .accessDenied
    }
    if says(
      "not been booted with systemd", "Failed to connect to ", "Transport endpoint is not connected",
      "Connection reset by peer", "disconnected from message bus", "No journal files were found")
    {
      return .managerUnreachable
    }
    return .other
  }
}

extension SystemdError: CustomStringConvertible {
  /// What was attempted, on what, what was answered, and what to do.
  public var description: String {
    let names =
      self.units.prefix(3).map(\.name) + (self.units.count > 3 ? ["and \(self.units.count - 3) more"] : [])
    let attempt = ([self.action] + names).joined(separator: " ")
    let answer =
      switch self.reason {
      case .command(let error): error.description
      case .unexpectedOutput(let problem): "its output is not understood: \(problem)"
      default: self.message.isEmpty ? "it said nothing" : self.message
      }
    let status = self.termination.map { " (\($0))" } ?? ""
    return "\(attempt) failed\(status): \(Self.sentence(answer)) \(self.hint)"
  }

  /// What to do.
  public var hint: String {
    let unit = self.units.first?.name ?? "UNIT"
    switch self.reason {
    case .command(.notExecutable):
      return
        "Install the program, or correct the plugin's options systemctl_path, journalctl_path or command_prefix."
    case .command(.spawnFailed):
      return "See whether the machine lacks memory, processes (TasksMax=) or open files (LimitNOFILE=)."
    case .command(.timedOut):
      return "See whether systemd answers at all: `systemctl is-system-running`, `systemctl list-jobs`."
    case .command(.tooMuchOutput), .unexpectedOutput, .other, .ended:
      return "Run the command by hand to see more; the debug log shows it as it was run."
    case .command(.notRecorded):
      return "`nomad-driver-systemd transcript show FILE` lists what was recorded."
    case .managerUnreachable:
      return
        "Is systemd PID 1 here and is D-Bus running? From a container, reach the host by the plugin's option"
        + " command_prefix."
    case .accessDenied:
      return "Run as root, or allow it by a polkit rule (org.freedesktop.systemd1.manage-units)."
    case .unitNotFound:
      return
        "Check the name with `systemctl list-unit-files`; run `systemctl daemon-reload` if the file is new."
    case .unitMasked:
      return "If it should be usable, run `systemctl unmask \(unit)`."
    case .badUnitFile:
      return "`systemd-analyze verify \(unit)` shows the error; then run `systemctl daemon-reload`."
    case .refused:
      return "The unit sets RefuseManualStart= or RefuseManualStop=; start or stop the unit that requires it."
    case .frozen:
      return "Run `systemctl thaw \(unit)`."
    case .jobFailed, .jobTimedOut, .dependencyFailed:
      return "`systemctl status \(unit)` and `journalctl -xeu \(unit)` show why."
    case .assertionFailed:
      return "`systemctl cat \(unit)` shows its Assert…= settings; `journalctl -u \(unit)` shows more."
    case .jobCanceled:
      return "Somebody else started or stopped the unit meanwhile; `journalctl -u \(unit)` shows more."
    case .startLimitHit:
      return
        "`journalctl -u \(unit)` shows why it ended so often; `systemctl reset-failed \(unit)` lets it start again."
    case .noProcess:
      return "`systemctl status \(unit)` shows its processes."
    case .invalidSignal:
      return "`kill -l` lists the names of signals."
    case .unreadableProperties:
      return "A setting in the unit's file has bytes that are not UTF-8: `systemctl cat \(unit)` shows it."
    case .invalidCursor:
      return "Start from a point in time instead."
    }
  }

  private static func sentence(_ text: String) -> String {
    text.last.map { ".!?…".contains($0) } ?? true ? text : text + "."
  }
}
