/// What the service manager has logged about a unit: how its runs ended, and which start it skipped.
///
/// systemd unloads a unit that has ended cleanly and that nothing refers to, and a failed one when it is
/// reset. The journal keeps the messages. They are those of `systemd.messages` (sd-messages.h), the same
/// since version 247.
public struct UnitHistory: Sendable, Hashable {
  /// The latest runs that there are messages about, the last one last. Those before are forgotten.
  public private(set) var runs: [UnitRun] = []

  /// The message about the last start that systemd skipped because conditions (`ConditionPathExists=` …,
  /// `ExecCondition=`) were not met; nil if there is none, or systemd has started the unit since.
  public private(set) var skippedStart: String?

  /// How many runs are kept. A unit can be restarted for years.
  private static let runLimit = 16

  /// The messages about such a start (job_done_message_format in src/core/job.c): until version 248, 249 to
  /// 255, since 256.
  private static let skips = [
    "Condition check resulted in ", " was skipped because of an unmet condition check ",
    " was skipped because no trigger condition checks were met", " skipped, unmet condition check ",
    " skipped, no trigger condition checks were met",
  ]

  /// - Parameter entries: the entries about one unit, in order.
  public init(_ entries: [JournalEntry] = []) {
    for entry in entries { self.append(entry) }
  }

  /// Adds the next entry about the unit. Only the service manager is believed.
  public mutating func append(_ entry: JournalEntry) {
    guard entry.isLifecycle else { return }
    let isSkip = self.appendJob(entry)
    let invocationID = entry.subjectInvocationID.flatMap { $0.isEmpty ? nil : $0 }
    if let invocationID {
      self.append(entry, to: invocationID, isSkip: isSkip)
    } else if UnitRun.isAboutEnd(entry) {
      self.append(entry, to: nil, isSkip: isSkip)
    }
  }

  /// - Returns: whether the entry tells that a start was skipped.
  private mutating func appendJob(_ entry: JournalEntry) -> Bool {
    // The job of a skipped start is "done"; for an ExecCondition= it is "skipped" until version 250 or so.
    guard entry.jobType == "start", entry.jobResult == "done" || entry.jobResult == "skipped" else {
      return false
    }
    let message = String(decoding: entry.message, as: UTF8.self)
    self.skippedStart = Self.skips.contains { message.contains($0) } ? message : nil
    return self.skippedStart != nil
  }

  private mutating func append(_ entry: JournalEntry, to invocationID: String?, isSkip: Bool) {
    if let index = self.runs.lastIndex(where: { $0.invocationID == invocationID }) {
      self.runs[index].append(entry, isSkip: isSkip)
      return
    }
    if self.runs.count == Self.runLimit { self.runs.removeFirst() }
    var run = UnitRun(invocationID: invocationID, beginning: entry.monotonicMicroseconds)
    run.append(entry, isSkip: isSkip)
    self.runs.append(run)
  }

  /// What was known at a point in time, in microseconds since the boot: without runs that began later.
  public func known(at time: UInt64) -> UnitHistory {
    var history = self
    history.runs.removeAll { $0.beginning > time }
    return history
  }

  /// The last run, if it has ended and is a given one or one after it, as systemd may have restarted the
  /// unit.
  ///
  /// A restart that a condition command has skipped (`ExecCondition=`) is a run to systemd. It is not one here:
  /// the unit's last run is the one before.
  ///
  /// - Parameter invocationID: identifies the run; nil for the last one.
  /// - Returns: nil if the journal does not show its end. A busy journald can drop messages of systemd.
  public func end(since invocationID: String?) -> UnitRun? {
    guard let last = self.runs.last, last.result != nil,
      invocationID == nil || self.runs.contains(where: { $0.invocationID == invocationID })
    else { return nil }
    guard last.result == "exec-condition", let previous = self.runs.dropLast().last, previous.result != nil,
      previous.isRestartScheduled, !previous.isStoppedInPause
    else { return last }
    return previous.passedOver(because: self.skippedStart ?? "its ExecCondition= was not met")
  }

  /// What is known of a run; nil if there is no message about it.
  public func run(_ invocationID: String) -> UnitRun? {
    self.runs.last { $0.invocationID == invocationID }
  }
}
