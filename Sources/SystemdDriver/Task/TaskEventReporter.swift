import NomadPlugin
import Processes
import Systemd

/// Reports a task's events with what systemd says of the unit. Events from before the unit's first observation wait
/// for it.
struct TaskEventReporter {
  private let config: TaskConfig
  private let unit: UnitName
  private let hub: TaskEventHub
  private let claim: TaskClaim
  private var pending: [TaskEventText] = []
  private var suppressionReportedAt: ContinuousClock.Instant?
  private var lossReportedAt: ContinuousClock.Instant?

  /// How often it is reported that journald drops lines, or has removed some, at most: journald says the first every 30 s.
  private static let lossInterval: Duration = .seconds(600)
  /// The most characters of what journald says of that.
  private static let suppressionLength = 200

  init(_ config: TaskConfig, unit: UnitName, hub: TaskEventHub, claim: TaskClaim) {
    self.config = config
    self.unit = unit
    self.hub = hub
    self.claim = claim
  }

  /// Adds an event, which ``flush(_:)`` reports.
  mutating func add(_ text: TaskEventText) { self.pending.append(text) }

  /// Adds journald's word that it drops lines of the unit, now and then.
  mutating func addSuppression(_ text: String) {
    guard Self.isDue(&self.suppressionReportedAt) else { return }
    // It names a process, which can have any name.
    let shown = String(DisplayText(text.utf8).text.prefix(Self.suppressionLength))
    self.add(.logsSuppressed(unit: self.unit.name, text: shown))
  }

  /// Adds that lines of the unit may be missing between two points in time, now and then.
  mutating func addLoss(from begin: RealtimeTimestamp, to end: RealtimeTimestamp) {
    guard Self.isDue(&self.lossReportedAt) else { return }
    self.add(.logsLost(unit: self.unit.name, from: begin, to: end))
  }

  private static func isDue(_ last: inout ContinuousClock.Instant?) -> Bool {
    let now = ContinuousClock.now
    if let last, now - last < Self.lossInterval { return false }
    last = now
    return true
  }

  /// Reports all events that wait.
  ///
  /// - Parameter status: what systemd says of the unit; nil if it has not said anything.
  mutating func flush(_ status: UnitStatus?) {
    guard !self.pending.isEmpty, self.claim.isHeld else { return }
    var annotations = ["unit": self.unit.name]
    if let status {
      annotations["state"] = "\(status.activeState)"
      annotations["result"] = status.result
      annotations["invocation_id"] = status.invocationID
    }
    for text in self.pending { self.hub.report(text, of: self.config, annotations: annotations) }
    self.pending = []
  }
}
