import Systemd

/// How a unit has ended, as far as systemd or the journal tells.
struct UnitEnd: Sendable, Hashable {
  /// systemd's word for it: `success`, `exit-code`, `signal` …
  var result: String
  /// How the main process ended; nil if there was none, or that is not known.
  var mainProcessExit: MainProcessExit?
  /// The process whose failure is the result; nil if it is not known which.
  var failedCommand: FailedCommand?
  /// Why systemd has not restarted the unit although it was about to; nil if it was not.
  var passedOverRestart: String?

  static let success = UnitEnd(result: "success")

  /// The results that the end of a process is the cause of.
  static let resultsOfProcesses: Set = ["exit-code", "signal", "core-dump"]
}

extension UnitEnd {
  /// What the journal tells of a run that has ended; nil if it does not tell how.
  init?(_ run: UnitRun) {
    guard let result = run.result else { return nil }
    self.init(
      result: result, mainProcessExit: run.mainProcessExit, failedCommand: run.failedCommand,
      passedOverRestart: run.passedOverRestart)
  }

  /// What systemd tells of a unit's last run.
  init(_ status: UnitStatus, failedCommand: FailedCommand? = nil) {
    self.init(
      result: status.result ?? "unknown", mainProcessExit: status.mainProcessExit,
      failedCommand: failedCommand)
  }

  func passedOver(because reason: String) -> UnitEnd {
    var end = self
    end.passedOverRestart = self.passedOverRestart ?? reason
    return end
  }
}
