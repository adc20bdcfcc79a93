import NomadPlugin
import Systemd

extension ExitResult {
  /// What the end of a unit is to Nomad; nil while it has not ended.
  ///
  /// | unit | to Nomad |
  /// | --- | --- |
  /// | active, activating, deactivating, reloading, refreshing, maintenance, unknown | running |
  /// | inactive, and the journal had to be asked and tells of the end | success: exit code 0; a failure: as below |
  /// | inactive | exit code 0 |
  /// | inactive, forgotten, and its file is gone or a failure would have been forgotten as well | exit code 1 |
  /// | inactive, forgotten, and it can be another systemd that is asked | exit code 1 |
  /// | failed, the main process exited with a status other than 0 | that exit code |
  /// | failed, the main process was killed by signal N | exit code 128 + N, signal N |
  /// | failed otherwise | exit code 1 |
  ///
  /// The results of a service are those of systemd's `service_result_table` (src/core/service.c), those of other types
  /// of units those of the tables beside it.
  ///
  /// - Parameters:
  ///   - history: what the journal says of a unit that systemd has forgotten.
  ///   - invocationID: the run that it is about, if that is known.
  ///   - isKnownIfForgotten: whether systemd has known the run and has forgotten it, rather than that another systemd
  ///     never knew it.
  init?(
    _ status: UnitStatus, history: UnitHistory? = nil, of invocationID: String? = nil,
    isKnownIfForgotten: Bool = true
  ) {
    switch status.activeState {
    case .inactive:
      if let end = history?.end(since: invocationID) {
        self.init(status.id, result: end.result, mainProcessExit: end.mainProcessExit)
      } else if status.isForgotten {
        self.init(forgotten: status, isKnown: isKnownIfForgotten)
      } else {
        self.init(status.id, result: status.result == "exec-condition" ? "exec-condition" : "success")
      }
    case .failed:
      self.init(
        status.id, result: status.result ?? "unknown", mainProcessExit: status.mainProcessExit)
    default:
      return nil
    }
  }

  /// A unit that systemd has forgotten and of whose end the journal tells nothing: a unit that failed is kept, if
  /// nothing says otherwise.
  private init(forgotten status: UnitStatus, isKnown: Bool) {
    let reason: String
    switch status.loadState {
    case .notFound, .error, .badSetting:
      reason = "systemd no longer has its definition (\(status.loadState))"
    case _ where status.isForgottenWhenFailed:
      reason = "its CollectMode= has systemd forget it"
    case _ where isKnown:
      self.init(exitCode: 0)
      return
    default:
      reason = "systemd could not be asked when it did"
    }
    self.init(
      exitCode: 1,
      message: "\(status.id) ended, \(reason) and the journal does not tell: how it ended is not known. See: "
        + "journalctl -u \(status.id)")
  }

  private init(_ unit: String, result: String, mainProcessExit: MainProcessExit? = nil) {
    if result == "success" {
      // Any message would make Nomad count the task as failed.
      self.init(exitCode: 0)
      return
    }
    var exitCode: Int32 = 1
    var signal: Int32 = 0
    var process = ""
    switch mainProcessExit {
    case .exited(let code)?:
      if code != 0 { exitCode = code }
      let meaning = ServiceExitStatus(.exited(code)).map { " (\($0))" } ?? ""
      process = "its main process exited with status \(code)" + meaning
    case .killed(let number)?, .dumped(let number)?:
      signal = number
      exitCode = 128 + number
      process = "its main process was killed by signal \(number)"
      if case .dumped? = mainProcessExit { process += " and dumped core" }
    case nil:
      break
    }
    let reason =
      switch result {
      case "exit-code", "signal", "core-dump":
        exitCode == 1 && mainProcessExit != .exited(1)
          ? "another process of it failed (ExecStartPre=, ExecStop= …), with systemd's result '\(result)'"
          : ""
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
      default: "systemd's result is '\(result)'"
      }
    self.init(
      exitCode: exitCode, signal: signal, oomKilled: result == "oom-kill",
      message: "\(unit) failed: " + [reason, process].filter { !$0.isEmpty }.joined(separator: "; "))
  }
}
