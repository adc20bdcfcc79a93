import NomadPlugin
import Systemd

extension ExitResult {
  /// What the end of a unit is to Nomad.
  ///
  /// | result | to Nomad |
  /// | --- | --- |
  /// | success | exit code 0 |
  /// | a failure by a process that exited with a status other than 0 | that exit code |
  /// | a failure by a process that was killed by signal N | exit code 128 + N, signal N |
  /// | any other failure, or one of a process that is not known | exit code 1 |
  ///
  /// The process is the one whose failure is the result; where another cause is the result, the main process. The
  /// results of a service are those of systemd's `service_result_table` (src/core/service.c), those of other types of
  /// units those of the tables beside it.
  init(_ unit: String, _ end: UnitEnd) {
    if end.result == "success" {
      // Any message would make Nomad count the task as failed.
      self.init(exitCode: 0)
      return
    }
    let isOfProcess = UnitEnd.resultsOfProcesses.contains(end.result)
    let process = isOfProcess ? end.failedProcess : end.mainProcessExit.map { Process(exit: $0) }
    let reason =
      switch end.result {
      case "exit-code", "signal", "core-dump":
        process == nil
          ? "a process of it failed (systemd's result is '\(end.result)'); which one is not known" : ""
      case "oom-kill": "the kernel's out-of-memory killer ended a process of it"
      case "timeout": "a start, stop or run time limit of the unit passed (TimeoutStartSec=, TimeoutStopSec=)"
      case "watchdog": "it did not notify its watchdog in time (WatchdogSec=)"
      case "start-limit-hit":
        "it was started too often (StartLimitBurst=); systemctl reset-failed allows it again"
      case "service-start-limit-hit", "unit-start-limit-hit", "mount-start-limit-hit":
        "the unit that it triggers was started too often (StartLimitBurst=)"
      case "trigger-limit-hit": "it was triggered too often (TriggerLimitBurst=)"
      case "resources": "systemd lacked a resource to start it"
      case "protocol": "it did not behave as its Type= says"
      case "exec-condition": "its ExecCondition= was not met"
      default: "systemd's result is '\(end.result)'"
      }
    let restart = end.passedOverRestart.map { "systemd has passed over its restart (\($0))" } ?? ""
    let parts = [reason, process?.description ?? "", restart].filter { !$0.isEmpty }
    self.init(
      exitCode: process?.exitCode ?? 1, signal: process?.signal ?? 0, oomKilled: end.result == "oom-kill",
      message: "\(unit) failed: " + parts.joined(separator: "; "))
  }

  /// A unit of whose end nothing tells, and that may have failed.
  ///
  /// - Parameter reason: why systemd does not tell.
  init(unknownEndOf unit: String, because reason: String) {
    self.init(
      exitCode: 1,
      message: "\(unit) ended, \(reason) and the journal does not tell: how it ended is not known. See: "
        + "journalctl -u \(unit)")
  }
}

/// The process that an exit result is about.
private struct Process: CustomStringConvertible {
  let exit: MainProcessExit
  /// The setting that systemd ran it for; nil for the main process.
  var directive: String?

  var exitCode: Int32 {
    switch self.exit {
    case .exited(let status): status == 0 ? 1 : status
    case .killed(let signal), .dumped(let signal): 128 + signal
    }
  }

  var signal: Int32 {
    switch self.exit {
    case .exited: 0
    case .killed(let signal), .dumped(let signal): signal
    }
  }

  var description: String {
    let name = self.directive.map { "its command \($0)=" } ?? "its main process"
    switch self.exit {
    case .exited(let status):
      let meaning = ServiceExitStatus(self.exit).map { " (\($0))" } ?? ""
      return "\(name) exited with status \(status)\(meaning)"
    case .killed(let signal):
      return "\(name) was killed by signal \(signal)"
    case .dumped(let signal):
      return "\(name) was killed by signal \(signal) and dumped core"
    }
  }
}

extension UnitEnd {
  /// The process that failed; nil if it is not known which.
  fileprivate var failedProcess: Process? {
    if let failedCommand {
      return Process(
        exit: failedCommand.exit,
        directive: failedCommand.directive == "ExecStart" ? nil : failedCommand.directive)
    }
    // The main process can have ended cleanly before, with a status that says so (SuccessExitStatus=).
    return self.mainProcessExit.flatMap { $0.isOf(self.result) ? Process(exit: $0) : nil }
  }
}

extension MainProcessExit {
  /// Whether a process that ended in this way can be the cause of a result.
  func isOf(_ result: String) -> Bool {
    switch self {
    case .exited(let status): result == "exit-code" && status != 0
    case .killed: result == "signal"
    case .dumped: result == "core-dump"
    }
  }
}
