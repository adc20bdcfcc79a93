/// What the service manager has logged about a unit: how its runs ended, and which start it skipped.
///
/// systemd unloads a unit that has ended cleanly and that nothing refers to, and a failed one when it is
/// reset. The journal keeps the messages. They are those of `systemd.messages` (sd-messages.h), the same
/// since version 247.
public struct UnitHistory: Sendable, Hashable {
  /// The end of one run.
  public struct End: Sendable, Hashable {
    /// Identifies the run.
    public let invocationID: String?
    /// `success`, `exit-code`, `signal` …
    public let result: String
    /// How the main process ended; nil if that was not logged, as for exit status 0.
    public let mainProcessExit: MainProcessExit?
    /// When systemd logged it.
    public let time: RealtimeTimestamp
  }

  /// The ends of runs, the last one last.
  public private(set) var ends: [End] = []

  /// Whether there is a message about a later run than the last of ``ends``.
  private var hasLaterRun = false

  /// The message about the last start that systemd skipped because conditions (`ConditionPathExists=` …,
  /// `ExecCondition=`) were not met; nil if there is none, or systemd has started the unit since.
  public private(set) var skippedStart: String?

  /// The messages about such a start (job_done_message_format in src/core/job.c): until version 248, 249 to
  /// 255, since 256.
  private static let skips = [
    "Condition check resulted in ", " was skipped because of an unmet condition check ",
    " was skipped because no trigger condition checks were met", " skipped, unmet condition check ",
    " skipped, no trigger condition checks were met",
  ]

  /// - Parameter entries: the entries about one unit, in order.
  public init(_ entries: [JournalEntry] = []) {
    var mainProcessExits: [String?: MainProcessExit] = [:]
    for entry in entries where entry.isLifecycle {
      let run = entry.subjectInvocationID
      if let run, let last = self.ends.last, run != last.invocationID { self.hasLaterRun = true }
      if entry.command == "ExecStart", let exit = entry.processExit { mainProcessExits[run] = exit }
      let result: String? =
        switch entry.messageID {
        case "7ad2d189f7e94e70a38c781354912448": "success"
        case "d9b373ed55a64feb8242e02dbe79a49c", "0e4284a0caca4bfc81c0bb6786972673": entry.unitResult
        default: nil
        }
      if let result {
        self.hasLaterRun = false
        self.ends.append(
          End(
            invocationID: run, result: result, mainProcessExit: mainProcessExits[run], time: entry.realtime))
      }
      // The job of a skipped start is "done"; for an ExecCondition= it is "skipped" until version 250 or so.
      guard entry.jobType == "start", entry.jobResult == "done" || entry.jobResult == "skipped" else {
        continue
      }
      let message = String(decoding: entry.message, as: UTF8.self)
      self.skippedStart = Self.skips.contains { message.contains($0) } ? message : nil
    }
  }

  /// How the unit ended: the end of a run, or of the last one after it, as systemd may have restarted the
  /// unit.
  ///
  /// - Parameter invocationID: identifies the run; nil for the last one.
  /// - Returns: nil if the journal does not show it. A busy journald can drop messages of systemd.
  public func end(since invocationID: String?) -> End? {
    guard let last = self.ends.last, !self.hasLaterRun,
      invocationID == nil || self.ends.contains(where: { $0.invocationID == invocationID })
    else { return nil }
    return last
  }
}
