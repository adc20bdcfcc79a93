import Foundation
import Glibc
import Processes
package import Systemd
import Synchronization

/// A unit of ``FakeSystemd``: its settings, its state, and what becomes of it as jobs and processes change it.
///
/// Every change is made at once: nobody sees the states on the way that systemd itself would leave at once.
package struct FakeUnit: Sendable {
  /// What a job is to do.
  package enum JobType: String, Sendable {
    case start, stop, restart
  }

  /// How a job has ended (`JOB_RESULT`).
  package enum JobResult: String, Sendable {
    case done, failed, canceled
  }

  /// A job that has not ended.
  package struct Job: Sendable {
    package let id: UInt32
    package let type: JobType
  }

  /// What a change has led to besides the new state.
  struct Effects {
    var entries: [[String: String]] = []
    var results: [UInt32: JobResult] = [:]
  }

  // MARK: Settings

  /// The true name (`Id`).
  package let name: String
  package var aliases: [String] = []
  /// The type of a service (`Type`).
  package var serviceType = "simple"
  package var loadState = LoadState.loaded
  package var fragmentPath = ""
  package var needsDaemonReload = false
  package var remainsAfterExit = false
  /// Whether systemd forgets the unit even if it has failed (`CollectMode=inactive-or-failed`).
  package var isCollectedWhenFailed = false
  /// Whether something keeps systemd from forgetting the unit.
  package var isReferenced = false
  /// Whether systemd starts the unit again after a failure, when the test says so (`Restart=on-failure`).
  package var restartsOnFailure = false
  /// The condition that keeps the unit from being started, if there is one.
  package var unmetCondition: String?
  /// Whether a start job waits for other units.
  package var waitsForOthers = false
  package var triggers: [String] = []
  package var triggeredBy: [String] = []
  /// How the program ends as soon as it runs; nil if it runs until the test ends it.
  package var exitsAtOnce: MainProcessExit?
  /// Whether the program ignores SIGTERM.
  package var ignoresTermination = false
  /// How the program ends by signals other than SIGTERM and SIGKILL. Others have no effect.
  package var exitOfSignal: [String: MainProcessExit] = [:]
  /// The number of the main process that is shown while it runs: none by default, as the driver opens it.
  package var mainProcessID: Int32 = 0
  /// The unit's control group while it is active.
  package var controlGroup = ""
  /// Other properties, and other values of those that there are.
  package var properties: [String: String] = [:]

  // MARK: State

  package private(set) var activeState = ActiveState.inactive
  package private(set) var subState: String
  package private(set) var invocationID: String?
  package private(set) var restartCount: UInt32 = 0
  package private(set) var result = "success"
  package private(set) var mainProcessExit: MainProcessExit?
  package private(set) var job: Job?
  /// The signals that the program has got, with what systemd itself sends.
  package private(set) var signals: [String] = []
  /// How many runs there were.
  package private(set) var runCount = 0
  private(set) var programRuns = false
  /// By the names of the properties.
  private(set) var timestamps: [String: RealtimeTimestamp] = [:]
  private var effects = Effects()

  /// A number that no process has: more than the kernel allows (`PID_MAX_LIMIT`).
  package static let unusedProcessID: Int32 = 5_000_000

  private static let lastJobID = Atomic<UInt32>(100)

  init(_ name: String) {
    self.name = name
    self.subState = "dead"
  }

  /// A unit of which there is no file.
  init(missing name: String) {
    self.init(name)
    self.loadState = .notFound
  }

  /// All names, the true one first.
  var names: [String] { [self.name] + self.aliases }

  /// Whether it is active, or on its way there or back.
  package var isUp: Bool { self.activeState != .inactive && self.activeState != .failed }

  /// Whether systemd has read the unit's file and kept it.
  var isLoaded: Bool {
    self.isUp || self.activeState == .failed || self.job != nil || self.isReferenced
      || self.invocationID != nil
  }

  var isService: Bool { self.name.hasSuffix(".service") }

  mutating func takeEffects() -> Effects {
    defer { self.effects = Effects() }
    return self.effects
  }

  // MARK: Jobs

  /// Asks for a job as systemctl does. A job of another type that there is is cancelled.
  ///
  /// - Returns: the job's number.
  @discardableResult
  package mutating func request(_ type: JobType) -> UInt32 {
    if let job = self.job, job.type == type { return job.id }
    self.finishJob(.canceled)
    let job = Job(id: Self.lastJobID.add(1, ordering: .relaxed).newValue, type: type)
    self.job = job
    self.runJob()
    return job.id
  }

  /// Removes the job. The unit stays as it is.
  package mutating func cancelJob() { self.finishJob(.canceled) }

  /// Lets a start job run that waits for other units.
  package mutating func stopWaitingForOthers() {
    self.waitsForOthers = false
    self.runJob()
  }

  private mutating func runJob() {
    guard let job = self.job else { return }
    switch (job.type, self.activeState) {
    case (.start, .active), (.stop, .inactive), (.stop, .failed):
      self.finishJob(.done)
    case (.start, .inactive), (.start, .failed), (.restart, .inactive), (.restart, .failed):
      if !self.waitsForOthers { self.start() }
    case (.start, _):
      if self.subState == "auto-restart" { self.start() }
    case (.stop, _), (.restart, _):
      self.stop()
    }
  }

  private mutating func finishJob(_ result: JobResult) {
    guard let job = self.job else { return }
    self.job = nil
    self.effects.results[job.id] = result
    self.collect()
  }

  // MARK: Runs

  private mutating func start() {
    if let unmetCondition = self.unmetCondition {
      self.log(
        "\(self.name) was skipped because of an unmet condition check (\(unmetCondition)).",
        ["MESSAGE_ID": MessageID.jobDone, "JOB_TYPE": "start", "JOB_RESULT": "done", "INVOCATION_ID": ""])
      self.finishJob(.done)
      return
    }
    self.restartCount = 0
    self.beginRun()
  }

  private mutating func beginRun() {
    self.invocationID = UUID().uuidString.filter { $0 != "-" }.lowercased()
    self.result = "success"
    self.mainProcessExit = nil
    self.runCount += 1
    self.programRuns = self.isService
    self.timestamps["ExecMainStartTimestamp"] = self.isService ? Self.now : nil
    self.timestamps["ExecMainExitTimestamp"] = nil
    if self.isService, ["oneshot", "notify"].contains(self.serviceType) {
      self.enter(.activating, "start")
      self.log("Starting \(self.name)...", ["MESSAGE_ID": MessageID.starting, "JOB_TYPE": "start"])
    } else {
      self.becomeActive()
    }
    if let exit = self.exitsAtOnce { self.endProgram(exit) }
  }

  /// A service says that it is ready (`Type=notify`).
  package mutating func becomeReady() {
    if self.activeState == .activating { self.becomeActive() }
  }

  private mutating func becomeActive() {
    let subState = self.isService ? (self.programRuns ? "running" : "exited") : "active"
    self.enter(.active, self.name.hasSuffix(".timer") ? "waiting" : subState)
    self.logJobDone(self.programRuns ? "Started" : "Finished")
    self.finishJob(.done)
  }

  private mutating func stop() {
    if self.subState == "auto-restart" {
      self.enter(.inactive, "dead")
      return self.finishStop()
    }
    self.log("Stopping \(self.name)...", ["MESSAGE_ID": MessageID.stopping, "JOB_TYPE": "stop"])
    self.enter(.deactivating, "stop-sigterm")
    guard self.programRuns else { return self.endRun() }
    self.signals.append("SIGTERM")
    if !self.ignoresTermination { self.endProgram(.killed(SIGTERM)) }
  }

  /// systemd starts the unit again after the pause of `Restart=`.
  package mutating func restartAfterFailure() {
    guard self.subState == "auto-restart" else { return }
    self.restartCount += 1
    self.log(
      "\(self.name): Scheduled restart job, restart counter is at \(self.restartCount).",
      ["MESSAGE_ID": MessageID.restartScheduled])
    self.beginRun()
  }

  // MARK: The program

  /// A process of the unit gets a signal.
  ///
  /// - Returns: false if there is no such process.
  mutating func receive(_ signal: String, _ whom: Systemctl.KillWhom) -> Bool {
    guard self.programRuns, whom != .control else { return false }
    self.signals.append(signal)
    self.log("\(self.name): Sent signal \(signal) to main process on client request.", [:])
    switch signal {
    case "SIGKILL": self.endProgram(.killed(SIGKILL))
    case "SIGTERM": if !self.ignoresTermination { self.endProgram(.killed(SIGTERM)) }
    default: if let exit = self.exitOfSignal[signal] { self.endProgram(exit) }
    }
    return true
  }

  /// The main process ends.
  ///
  /// - Parameter result: what the run comes to, if it fails; nil if that follows from how the process ended.
  package mutating func endProgram(_ exit: MainProcessExit, result: String? = nil) {
    guard self.programRuns else { return }
    self.programRuns = false
    self.mainProcessExit = exit
    self.timestamps["ExecMainExitTimestamp"] = Self.now
    let (code, status, failure) = Self.describe(exit)
    // SIGTERM is a clean end of a daemon, unlike that of a oneshot's program (SuccessExitStatus=).
    let isEarly = self.serviceType == "notify" && self.activeState == .activating
    let isClean = exit == .exited(0) || (exit == .killed(SIGTERM) && self.serviceType != "oneshot")
    if !isClean || isEarly || result != nil {
      self.result = result ?? (isClean ? "protocol" : failure)
      self.log(
        "\(self.name): Main process exited, code=\(code), status=\(status)",
        [
          "MESSAGE_ID": MessageID.processExited, "EXIT_CODE": code, "EXIT_STATUS": "\(status)",
          "COMMAND": "ExecStart",
        ], priority: 5)
    }
    if self.result == "success", self.remainsAfterExit, self.activeState != .deactivating {
      return self.becomeActive()
    }
    guard self.result != "success", self.restartsOnFailure, self.activeState != .deactivating else {
      return self.endRun()
    }
    self.logEnd()
    self.enter(.activating, "auto-restart")
    self.finishJob(.failed)
  }

  private static func describe(_ exit: MainProcessExit) -> (code: String, status: Int32, result: String) {
    switch exit {
    case .exited(let status): ("exited", status, "exit-code")
    case .killed(let signal): ("killed", signal, "signal")
    case .dumped(let signal): ("dumped", signal, "core-dump")
    }
  }

  private mutating func endRun() {
    self.logEnd()
    let isFailed = self.result != "success"
    self.enter(isFailed ? .failed : .inactive, isFailed ? "failed" : "dead")
    switch self.job?.type {
    case .start where !isFailed:
      self.logJobDone("Finished")
      self.finishJob(.done)
    case .start:
      self.log(
        "Failed to start \(self.name).",
        ["MESSAGE_ID": MessageID.jobFailed, "JOB_TYPE": "start", "JOB_RESULT": "failed"], priority: 3)
      self.finishJob(.failed)
    case .stop:
      self.finishStop()
    case .restart:
      self.runJob()
    case nil:
      self.collect()
    }
  }

  private mutating func finishStop() {
    self.log(
      "Stopped \(self.name).", ["MESSAGE_ID": MessageID.stopped, "JOB_TYPE": "stop", "JOB_RESULT": "done"])
    self.finishJob(.done)
  }

  private mutating func logEnd() {
    if self.result == "success" {
      self.log("\(self.name): Deactivated successfully.", ["MESSAGE_ID": MessageID.success])
    } else {
      self.log(
        "\(self.name): Failed with result '\(self.result)'.",
        ["MESSAGE_ID": MessageID.failure, "UNIT_RESULT": self.result], priority: 4)
    }
  }

  private mutating func enter(_ state: ActiveState, _ subState: String) {
    let wasUp = self.isUp
    if self.activeState == .active, state != .active { self.timestamps["ActiveExitTimestamp"] = Self.now }
    self.activeState = state
    self.subState = subState
    self.timestamps["StateChangeTimestamp"] = Self.now
    if state == .active { self.timestamps["ActiveEnterTimestamp"] = Self.now }
    if self.isUp, !wasUp { self.timestamps["InactiveExitTimestamp"] = Self.now }
    if !self.isUp { self.timestamps["InactiveEnterTimestamp"] = Self.now }
  }

  // MARK: Forgetting

  /// systemctl reset-failed.
  package mutating func resetFailed() {
    guard self.activeState == .failed else { return }
    self.activeState = .inactive
    self.subState = "dead"
    self.restartCount = 0
    self.collect()
  }

  /// Forgets a run that has ended, as systemd does unless something refers to the unit.
  private mutating func collect() {
    guard self.job == nil, !self.isReferenced,
      self.activeState == .inactive || (self.activeState == .failed && self.isCollectedWhenFailed)
    else { return }
    self.activeState = .inactive
    self.subState = "dead"
    self.invocationID = nil
    self.result = "success"
    self.mainProcessExit = nil
    self.restartCount = 0
    self.timestamps = [:]
  }

  // MARK: What systemd says

  private static var now: RealtimeTimestamp {
    RealtimeTimestamp(microseconds: Linux.microseconds(CLOCK_REALTIME))
  }

  private mutating func logJobDone(_ done: String) {
    guard self.job != nil else { return }
    self.log(
      "\(done) \(self.name).",
      ["MESSAGE_ID": MessageID.jobDone, "JOB_TYPE": "start", "JOB_RESULT": "done"])
  }

  private mutating func log(_ message: String, _ fields: [String: String], priority: Int = 6) {
    let common = [
      "_PID": "1", "_TRANSPORT": "journal", "_SYSTEMD_UNIT": "init.scope", "SYSLOG_IDENTIFIER": "systemd",
      "UNIT": self.name, "INVOCATION_ID": self.invocationID ?? "", "PRIORITY": "\(priority)",
      "MESSAGE": message,
    ]
    self.effects.entries.append(common.merging(fields) { $1 })
  }

  /// The kinds of messages (sd-messages.h).
  private enum MessageID {
    static let starting = "7d4958e842da4a758f6c1cdc7b36dcc5"
    static let jobDone = "39f53479d3a045ac8e11786248231fbf"
    static let jobFailed = "be02cf6855d2428ba40df7e9d022f03d"
    static let stopping = "de5b426a63be47a7b6ac3eaac82e2f6f"
    static let stopped = "9d1aaa27d60140bd96365438aad20286"
    static let processExited = "98e322203f7a4ed290d09fe03c09fe15"
    static let success = "7ad2d189f7e94e70a38c781354912448"
    static let failure = "d9b373ed55a64feb8242e02dbe79a49c"
    static let restartScheduled = "5eb03494b6584870a536b337290809b3"
  }
}
