import Processes
import Systemd

extension SystemdError {
  /// Whether the same may succeed later, without anybody changing the job, the unit's file or the agent's
  /// configuration.
  var isTemporary: Bool {
    switch self.reason {
    case .command(.notExecutable(_, _)), .accessDenied, .unitNotFound, .unitMasked, .badUnitFile, .refused,
      .invalidSignal, .unreadableProperties, .invalidCursor:
      false
    case .command, .managerUnreachable, .jobFailed, .jobTimedOut, .jobCanceled, .dependencyFailed,
      .assertionFailed, .frozen, .startLimitHit, .noProcess, .ended, .unexpectedOutput, .other:
      true
    }
  }

  /// Whether systemd has run a job that has failed, rather than that it could not be asked for one.
  var isJobFailure: Bool { self.reason == .jobFailed || self.reason == .jobTimedOut }

  /// Whether a replay has no answer, and never will.
  var isNotRecorded: Bool { if case .command(.notRecorded) = self.reason { true } else { false } }
}
