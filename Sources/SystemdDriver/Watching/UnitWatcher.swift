import Logging
import Synchronization
import Systemd

/// Polls the units of all tasks: one cheap command a tick, and one that shows all properties for the units that have
/// changed or that something hints at.
///
/// Now and then it polls all units fully: the cheap command tells neither that a unit's file has changed nor that a unit
/// was restarted between two ticks.
final class UnitWatcher: Sendable {
  /// What systemd says about a unit.
  struct Observation: Sendable {
    let status: UnitStatus
    /// When it was asked.
    let askedAt: ContinuousClock.Instant
    /// Whether the unit was watched without a gap until then.
    var continuity = UnitLifecycle.Continuity.continuous
  }

  typealias Handler = @Sendable (Observation) async -> Void

  /// Stands for one call of ``watch(_:_:)``: a unit can be one task's after another's.
  final class Watch: Sendable {}

  private struct Watched {
    let watch: Watch
    let handler: Handler
    var listing: UnitListing?
    /// Since when an observation of the unit is due; nil if none is.
    var dueSince: ContinuousClock.Instant?

    mutating func markDue() { if self.dueSince == nil { self.dueSince = .now } }
  }

  private struct State {
    var units: [UnitName: Watched] = [:]
    var isTickDue = false
    var hasFailed = false
    /// How long the last poll of all units took.
    var pollDuration = Duration.zero
    /// When all units are to be polled fully.
    var nextFullPoll: ContinuousClock.Instant
  }

  /// An observation that comes later than this after a hint is not continuous.
  private static let maximumDelay: Duration = .seconds(2)
  /// After a poll, wait at least this many times its duration, so that polling never exceeds 1 % of wall time.
  private static let restPerPoll = 100.0
  /// The longest wait between two polls, in poll intervals.
  private static let maximumRest = 5.0
  /// After a full poll of all units, wait at least this many times its duration until the next one.
  private static let restPerFullPoll = 1000.0

  private let systemctl: Systemctl
  private let pollInterval: Duration
  /// The shortest time between two full polls of all units.
  private let fullPollInterval: Duration
  /// Whether each tick polls all units fully. A replay needs that: what the cheap command said, and the hints, came at
  /// other times when it was recorded.
  private let pollsFully: Bool
  private let logger: Logger
  private let state: Mutex<State>
  private let wakeUps: AsyncStream<Void>
  private let wakeUp: AsyncStream<Void>.Continuation

  init(
    systemctl: Systemctl, pollInterval: Duration, fullPollInterval: Duration = .seconds(300),
    pollsFully: Bool = false, logger: Logger
  ) {
    self.systemctl = systemctl
    self.pollInterval = pollInterval
    self.fullPollInterval = fullPollInterval
    self.state = Mutex(State(nextFullPoll: .now + fullPollInterval))
    self.pollsFully = pollsFully
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

  /// Polls the unit now: something says that it may have changed.
  func hint(_ unit: UnitName) {
    self.state.withLock { $0.units[unit]?.markDue() }
    self.wakeUp.yield()
  }

  /// Polls until the task is cancelled.
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
          try await self.poll()
          self.state.withLock { $0.hasFailed = false }
        } catch is CancellationError {
          break
        } catch {
          // What cannot be seen has not changed: the tasks stay as they are.
          let isNews = self.state.withLock { state in
            defer { state.hasFailed = true }
            return !state.hasFailed
          }
          if isNews { self.logger.warning("Cannot read unit states", metadata: ["error": "\(error)"]) }
        }
      }
      group.cancelAll()
    }
  }

  /// The time to the next poll of all units.
  private var interval: Duration {
    // How long a replayed answer takes tells nothing of the load.
    if self.pollsFully { return self.pollInterval }
    let rest = self.state.withLock(\.pollDuration) * Self.restPerPoll
    return min(max(self.pollInterval, rest), self.pollInterval * Self.maximumRest)
  }

  private func poll() async throws {
    let (units, isTickDue) = self.state.withLock { state in
      defer { state.isTickDue = false }
      return (Array(state.units.keys), state.isTickDue)
    }
    if isTickDue, !self.pollsFully, !units.isEmpty {
      let start = ContinuousClock.now
      let listings = try await self.systemctl.listUnits(units)
      self.state.withLock { state in
        state.pollDuration = ContinuousClock.now - start
        for unit in units where state.units[unit] != nil {
          // An inactive unit that systemd has unloaded is not listed.
          let listing = listings[unit]
          let isDown = listing?.activeState.isDown ?? true
          if isDown || state.units[unit]?.listing != listing { state.units[unit]?.markDue() }
          state.units[unit]?.listing = listing
        }
      }
    }
    let (due, isFull, wasFailing) = self.state.withLock { state in
      let isFull = isTickDue && (self.pollsFully || ContinuousClock.now >= state.nextFullPoll)
      if isFull {
        for unit in units { state.units[unit]?.markDue() }
      }
      let due = state.units.filter { $0.value.dueSince != nil }
      for unit in due.keys { state.units[unit]?.dueSince = nil }
      return (due, isFull, state.hasFailed)
    }
    guard !due.isEmpty else { return }
    let askedAt = ContinuousClock.now
    do {
      for (unit, answer) in try await self.systemctl.show(Array(due.keys)) {
        guard let watched = due[unit], let dueSince = watched.dueSince else { continue }
        switch answer {
        case .success(let status):
          // How long a replay takes tells nothing of the recording.
          let isLate = !self.pollsFully && ContinuousClock.now - dueSince > Self.maximumDelay
          await watched.handler(
            Observation(
              status: status, askedAt: askedAt,
              continuity: wasFailing ? .disconnected : isLate ? .interrupted : .continuous))
        case .failure(let error):
          self.logger.warning(
            "Cannot read the unit's state", metadata: ["unit": "\(unit)", "error": "\(error)"])
        }
      }
    } catch {
      self.state.withLock { state in
        for (unit, watched) in due where state.units[unit]?.watch === watched.watch {
          state.units[unit]?.dueSince = watched.dueSince
        }
      }
      throw error
    }
    if isFull {
      let now = ContinuousClock.now
      let rest = max(self.fullPollInterval, (now - askedAt) * Self.restPerFullPoll)
      self.state.withLock { $0.nextFullPoll = now + rest }
    }
  }
}
