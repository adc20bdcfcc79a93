import NomadPlugin
import Systemd

extension ExitResult {
  /// What the end of a unit is to Nomad; nil while it has not ended.
  ///
  /// | unit | to Nomad |
  /// | --- | --- |
  /// | active, activating, deactivating, reloading, refreshing, maintenance, unknown | running |
  /// | inactive | exit code 0 |
  /// | inactive, and its file is gone or cannot be loaded | exit code 1 |
  /// | failed, the main process exited with a status other than 0 | that exit code |
  /// | failed, the main process was killed by signal N | exit code 128 + N, signal N |
  /// | failed otherwise | exit code 1 |
  ///
  /// The results of a service are those of systemd's `service_result_table` (src/core/service.c).
  init?(_ status: UnitStatus) {
    switch status.activeState {
    case .inactive:
      switch status.loadState {
      case .notFound, .error, .badSetting:
        self.init(
          exitCode: 1,
          message:
            "\(status.id) ended, and systemd no longer has its definition (\(status.loadState)): how it "
            + "ended is not known. See: journalctl -u \(status.id)")
      default:
        self.init(exitCode: 0)
      }
    case .failed:
      self.init(failed: status)
    default:
      return nil
    }
  }

  private init(failed status: UnitStatus) {
    let result = status.result ?? "unknown"
    var exitCode: Int32 = 1
    var signal: Int32 = 0
    var process = ""
    switch status.mainProcessExit {
    case .exited(let code)?:
      if code != 0 { exitCode = code }
      process =
        "its main process exited with status \(code)" + (SystemdExitStatus(code).map { " (\($0))" } ?? "")
    case .killed(let number)?, .dumped(let number)?:
      signal = number
      exitCode = 128 + number
      process = "its main process was killed by signal \(number)"
      if case .dumped? = status.mainProcessExit { process += " and dumped core" }
    case nil:
      break
    }
    let reason =
      switch result {
      case "exit-code", "signal", "core-dump":
        exitCode == 1 && status.mainProcessExit != .exited(1)
          ? "another process of it failed (ExecStartPre=, ExecStop= …), with systemd's result '\(result)'"
          : ""
      case "oom-kill": "the kernel's out-of-memory killer ended a process of it"
      case "timeout": "a start, stop or run time limit of the unit passed (TimeoutStartSec=, TimeoutStopSec=)"
      case "watchdog": "it did not notify its watchdog in time (WatchdogSec=)"
      case "start-limit-hit":
        "it was started too often (StartLimitBurst=); systemctl reset-failed allows it again"
      case "resources": "systemd lacked a resource to start it"
      case "protocol": "it did not behave as its Type= says"
      case "exec-condition": "its ExecCondition= failed"
      default: "systemd's result is '\(result)'"
      }
    self.init(
      exitCode: exitCode, signal: signal, oomKilled: result == "oom-kill",
      message: "\(status.id) failed: " + [reason, process].filter { !$0.isEmpty }.joined(separator: "; "))
  }
}

/// What systemd itself means by an exit status, where it could not run the program (systemd.exec(5),
/// "Process Exit Codes").
private struct SystemdExitStatus: CustomStringConvertible {
  let description: String

  init?(_ status: Int32) {
    switch status {
    case 200: self.description = "CHDIR: the working directory cannot be entered"
    case 203: self.description = "EXEC: the program cannot be executed"
    case 216: self.description = "GROUP: no such group"
    case 217: self.description = "USER: no such user"
    case 218: self.description = "CAPABILITIES: the capabilities cannot be set"
    case 226: self.description = "NAMESPACE: the mount, UTS or user namespace cannot be set up"
    case 208: self.description = "STDIN: standard input cannot be set up"
    case 209: self.description = "STDOUT: standard output cannot be set up"
    case 219: self.description = "CGROUP: the control group cannot be set up"
    case 243: self.description = "CREDENTIALS: the credentials cannot be set up"
    default: return nil
    }
  }
}
