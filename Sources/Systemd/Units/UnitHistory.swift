/// What the service manager has said in the journal about a unit: how its runs ended, and starts that it passed over.
///
/// systemd forgets a unit that has ended cleanly and that nothing refers to, and one that has failed when it is reset;
/// the journal keeps what it said. The messages are those of `systemd.messages` (sd-messages.h), the same from
/// version 247 on.
public struct UnitHistory: Sendable, Hashable {
  /// The end of one run.
  public struct End: Sendable, Hashable {
    /// Identifies the run.
    public let invocationID: String?
    /// `success`, `exit-code`, `signal` …
    public let result: String
    /// How the main process ended, where that is told: not of one that exited with status 0.
    public let mainProcessExit: MainProcessExit?
    /// When systemd said it.
    public let time: RealtimeTimestamp
  }

  /// The ends of runs, the last one last.
  public private(set) var ends: [End] = []

  /// Whether another run is told of after the last one of them.
  private var hasRunOn = false

  /// What systemd said when it last passed over a start as conditions (`ConditionPathExists=` …, `ExecCondition=`) were
  /// not met; `nil` if it did not, or has started the unit after that.
  public private(set) var skippedStart: String?

  /// What is said of such a start (job_done_message_format in src/core/job.c): to version 248, 249 to 255, from 256 on.
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
      if let run, let last = self.ends.last, run != last.invocationID { self.hasRunOn = true }
      if entry.command == "ExecStart", let exit = entry.processExit { mainProcessExits[run] = exit }
      let result: String? =
        switch entry.messageID {
        case "7ad2d189f7e94e70a38c781354912448": "success"
        case "d9b373ed55a64feb8242e02dbe79a49c", "0e4284a0caca4bfc81c0bb6786972673": entry.unitResult
        default: nil
        }
      if let result {
        self.hasRunOn = false
        self.ends.append(
          End(
            invocationID: run, result: result, mainProcessExit: mainProcessExits[run], time: entry.realtime))
      }
      // A start that is passed over is a job well done; to version 250 or so, "skipped" for an ExecCondition=.
      guard entry.jobType == "start", entry.jobResult == "done" || entry.jobResult == "skipped" else {
        continue
      }
      let message = String(decoding: entry.message, as: UTF8.self)
      self.skippedStart = Self.skips.contains { message.contains($0) } ? message : nil
    }
  }

  /// How the unit ended in the end: in a run, or in the last one after it, since systemd may have restarted the unit; without
  /// an identifier, in the last one. `nil` if that is not told: where journald has much to do, a message of systemd can be
  /// missing.
  public func end(since invocationID: String?) -> End? {
    guard let last = self.ends.last, !self.hasRunOn,
      invocationID == nil || self.ends.contains(where: { $0.invocationID == invocationID })
    else { return nil }
    return last
  }
}
