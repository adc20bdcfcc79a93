/// What the service manager has logged about one run of a unit.
public struct UnitRun: Sendable, Hashable {
  /// Identifies the run.
  public let invocationID: String?

  /// When the first message about it was logged, in microseconds since the boot.
  public let beginning: UInt64

  /// How it ended: `success`, `exit-code`, `signal` …; nil if that was not logged.
  public private(set) var result: String?

  /// When systemd logged the end.
  public private(set) var endTime: RealtimeTimestamp?

  /// How the main process ended; nil if that was not logged, as for a clean end.
  public private(set) var mainProcessExit: MainProcessExit?

  /// The first process of the run that failed; nil if none was logged. The result of the run is its result.
  public private(set) var failedCommand: FailedCommand?

  /// Whether something tells that the unit's program has run, rather than that a condition has kept it from that.
  public private(set) var hasRun = false

  /// Whether a stop job has begun while the unit ran.
  public private(set) var isStopRequested = false

  /// Whether systemd has scheduled a restart after the end (`Restart=`).
  public private(set) var isRestartScheduled = false

  /// Whether the pause before that restart was ended by a stop job.
  public private(set) var isStoppedInPause = false

  /// Why systemd has passed over that restart, in its words; nil if it has not.
  public private(set) var passedOverRestart: String?

  init(invocationID: String?, beginning: UInt64) {
    self.invocationID = invocationID
    self.beginning = beginning
  }

  /// Whether an entry tells something of the end of a run.
  static func isAboutEnd(_ entry: JournalEntry) -> Bool {
    entry.processExit != nil || self.result(entry) != nil
  }

  /// - Parameter isSkip: whether the entry tells that a start was skipped.
  mutating func append(_ entry: JournalEntry, isSkip: Bool = false) {
    if entry.jobType == "start", entry.jobResult == "done", !isSkip { self.hasRun = true }
    // What a reload comes to is nothing to the run's result. A clean end is of the priority "debug".
    if let exit = entry.processExit, let command = entry.command, command != "ExecReload",
      entry.priority != 7, self.result == nil
    {
      if command == "ExecStart" {
        self.mainProcessExit = exit
        self.hasRun = true
      }
      if self.failedCommand == nil, exit != .exited(0) {
        self.failedCommand = FailedCommand(directive: command, exit: exit)
      }
    }
    if let result = Self.result(entry) {
      self.result = result
      if result != "exec-condition" { self.hasRun = true }
      self.endTime = entry.realtime
    }
    switch entry.messageID {
    case "5eb03494b6584870a536b337290809b3": self.isRestartScheduled = true
    case "de5b426a63be47a7b6ac3eaac82e2f6f" where entry.jobType == "stop": self.isStopRequested = true
    case "9d1aaa27d60140bd96365438aad20286" where entry.jobType == "stop":
      if self.result != nil, !self.isStopRequested { self.isStoppedInPause = true }
    case _ where self.isRestartScheduled && entry.jobType == "start" && entry.jobResult != nil:
      // A restart is a start job in the end. One that works out has another invocation ID.
      self.passedOverRestart = String(decoding: entry.message, as: UTF8.self)
    default: break
    }
  }

  /// The result that an entry tells (SD_MESSAGE_UNIT_SUCCESS, SD_MESSAGE_UNIT_FAILURE_RESULT, SD_MESSAGE_UNIT_SKIPPED).
  private static func result(_ entry: JournalEntry) -> String? {
    switch entry.messageID {
    case "7ad2d189f7e94e70a38c781354912448": "success"
    case "d9b373ed55a64feb8242e02dbe79a49c", "0e4284a0caca4bfc81c0bb6786972673": entry.unitResult
    default: nil
    }
  }

  func passedOver(because reason: String) -> UnitRun {
    var run = self
    run.passedOverRestart = reason
    return run
  }
}
