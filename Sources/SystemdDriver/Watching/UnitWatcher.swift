import Logging
import Synchronization
import Systemd

/// Looks at the units of all tasks: one cheap command a tick, and a full look only at units that have changed or
/// that something hints at. Now and then at all of them, since the cheap command does not tell all: not that a unit's file
/// has changed, nor that a unit was restarted between two ticks.
final class UnitWatcher: Sendable {
  /// What systemd says about a unit.
  struct Look: Sendable {
    let status: UnitStatus
    /// When it was asked.
    let askedAt: ContinuousClock.Instant
    /// How well the unit was watched before that.
    var continuity = UnitLifecycle.Continuity.continuous
  }

  typealias Handler = @Sendable (Look) async -> Void

  /// Stands for one call of ``watch(_:_:)``: a unit can be one task's after another's.
  final class Watch: Sendable {}

  private struct Watched {
    let watch: Watch
    let handler: Handler
    var listing: UnitListing?
    /// Since when a look at the unit is due.
    var isDueSince: ContinuousClock.Instant?

    mutating func lookIsDue() { if self.isDueSince == nil { self.isDueSince = .now } }
  }

  private struct State {
    var units: [UnitName: Watched] = [:]
    var isTickDue = false
    var hasFailed = false
    /// How long the last look at all units has taken.
    var lookDuration = Duration.zero
    /// When the next full look at all units is due.
    var nextFullLook: ContinuousClock.Instant
  }

  /// How long after a change the unit counts as watched.
  private static let patience: Duration = .seconds(2)
  /// How many times the duration of a look at all units there is rest after it: with many units, or on a busy machine,
  /// it is done more rarely than was asked for.
  private static let restPerLook = 100.0
  /// How many times the interval that was asked for a rest may last.
  private static let longestRest = 5.0
  /// How many times the duration of a full look at all units there is rest after it.
  private static let restPerFullLook = 1000.0

  private let systemctl: Systemctl
  private let pollInterval: Duration
  /// How long there is no full look at all units, at least.
  private let fullLookInterval: Duration
  /// Whether each tick is a look at all there is to know of all units: what the cheap command said, and what else made
  /// the driver look, came at other times when what is replayed was recorded.
  private let looksAlways: Bool
  private let logger: Logger
  private let state: Mutex<State>
  private let wakeUps: AsyncStream<Void>
  private let wakeUp: AsyncStream<Void>.Continuation

  init(
    systemctl: Systemctl, pollInterval: Duration, fullLookInterval: Duration = .seconds(300),
    looksAlways: Bool = false, logger: Logger
  ) {
    self.systemctl = systemctl
    self.pollInterval = pollInterval
    self.fullLookInterval = fullLookInterval
    self.state = Mutex(State(nextFullLook: .now + fullLookInterval))
    self.looksAlways = looksAlways
    self.logger = logger
    (self.wakeUps, self.wakeUp) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
  }

  /// Has the handler called with what systemd says about a unit, whenever that may have changed.
  func watch(_ unit: UnitName, _ handler: @escaping Handler) -> Watch {
    let watch = Watch()
    self.state.withLock { $0.units[unit] = Watched(watch: watch, handler: handler) }
    return watch
  }

  /// Forgets a unit, unless it is watched for somebody else by now.
  func unwatch(_ unit: UnitName, _ watch: Watch) {
    self.state.withLock { state in
      if state.units[unit]?.watch === watch { state.units[unit] = nil }
    }
  }

  /// Has the unit looked at now: something says that it may have changed.
  func hint(_ unit: UnitName) {
    self.state.withLock { $0.units[unit]?.lookIsDue() }
    self.wakeUp.yield()
  }

  /// Looks until the task is cancelled.
  func run() async {
    await withDiscardingTaskGroup { group in
      group.addTask {
        while (try? await Task.sleep(for: self.interval)) != nil {
          self.state.withLock { $0.isTickDue = true }
          self.wakeUp.yield()
        }
      }
      for await _ in self.wakeUps {
        do {
          try await self.look()
          self.state.withLock { $0.hasFailed = false }
        } catch is CancellationError {
          break
        } catch {
          // What cannot be seen has not changed: the tasks stay as they are.
          let isNews = self.state.withLock { state in
            defer { state.hasFailed = true }
            return !state.hasFailed
          }
          if isNews { self.logger.warning("The units cannot be looked at.", metadata: ["error": "\(error)"]) }
        }
      }
      group.cancelAll()
    }
  }

  /// The time to the next look at all units.
  private var interval: Duration {
    // A recorded look takes as long as it is to the time it was taken at.
    if self.looksAlways { return self.pollInterval }
    let rest = self.state.withLock(\.lookDuration) * Self.restPerLook
    return min(max(self.pollInterval, rest), self.pollInterval * Self.longestRest)
  }

  private func look() async throws {
    let (units, isTickDue) = self.state.withLock { state in
      defer { state.isTickDue = false }
      return (Array(state.units.keys), state.isTickDue)
    }
    if isTickDue, !self.looksAlways, !units.isEmpty {
      let start = ContinuousClock.now
      let listings = try await self.systemctl.listUnits(units)
      self.state.withLock { state in
        state.lookDuration = ContinuousClock.now - start
        for unit in units where state.units[unit] != nil {
          // An inactive unit that systemd has unloaded is not listed.
          let listing = listings[unit]
          let isDown = listing.map { $0.activeState == .inactive || $0.activeState == .failed } ?? true
          if isDown || state.units[unit]?.listing != listing { state.units[unit]?.lookIsDue() }
          state.units[unit]?.listing = listing
        }
      }
    }
    let (due, isFull, wasFailing) = self.state.withLock { state in
      let isFull = isTickDue && (self.looksAlways || ContinuousClock.now >= state.nextFullLook)
      if isFull {
        for unit in units { state.units[unit]?.lookIsDue() }
      }
      let due = state.units.filter { $0.value.isDueSince != nil }
      for unit in due.keys { state.units[unit]?.isDueSince = nil }
      return (due, isFull, state.hasFailed)
    }
    guard !due.isEmpty else { return }
    let askedAt = ContinuousClock.now
    do {
      for (unit, answer) in try await self.systemctl.show(Array(due.keys)) {
        guard let watched = due[unit], let dueSince = watched.isDueSince else { continue }
        switch answer {
        case .success(let status):
          // How long a replay takes is not what the recorded look took.
          let isLate = !self.looksAlways && ContinuousClock.now - dueSince > Self.patience
          await watched.handler(
            Look(
              status: status, askedAt: askedAt,
              continuity: wasFailing ? .disconnected : isLate ? .interrupted : .continuous))
        case .failure(let error):
          self.logger.warning(
            "The unit cannot be looked at.", metadata: ["unit": "\(unit)", "error": "\(error)"])
        }
      }
    } catch {
      self.state.withLock { state in
        for (unit, watched) in due where state.units[unit]?.watch === watched.watch {
          state.units[unit]?.isDueSince = watched.isDueSince
        }
      }
      throw error
    }
    if isFull {
      let now = ContinuousClock.now
      let rest = max(self.fullLookInterval, (now - askedAt) * Self.restPerFullLook)
      self.state.withLock { $0.nextFullLook = now + rest }
    }
  }
}
