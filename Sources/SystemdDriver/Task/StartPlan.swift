import NomadPlugin
import Systemd

/// What a start does with a unit, decided once from what systemd said of it before.
struct StartPlan: Sendable, Hashable {
  /// What is done with the unit.
  enum Action: Sendable, Hashable, CaseIterable {
    /// The unit is active and becomes the task's as it is. No start is asked for: should the unit end now, that would
    /// run it again.
    case adopt
    /// The unit is active and is restarted.
    case restart
    /// The unit is started.
    case start

    /// Decides by the unit's state and the job's `on_active`.
    ///
    /// - Throws: `DriverError` (recoverable) if the unit is active and the job wants none that is.
    init(_ status: UnitStatus, _ onActive: TaskOptions.OnActive) throws {
      guard status.isRunning else {
        self = .start
        return
      }
      switch onActive {
      case .adopt: self = .adopt
      case .restart: self = .restart
      case .fail:
        throw DriverError.recoverable(
          "The unit \(status.id) is already active, and the task's on_active is \"fail\". Stop it, or let the task "
            + "adopt or restart it.")
      }
    }
  }

  /// What takes a cancelled start back: its job goes on without systemctl.
  enum Undo: Sendable, Hashable {
    /// The unit runs since before: only its job is cancelled.
    case cancelJob
    /// Nobody would own the unit.
    case stop
  }

  /// What is done with the unit.
  let action: Action
  /// Whether systemd may pass over the start since conditions of the unit are not met.
  let mayBeSkipped: Bool
  /// Where the task's logs begin.
  let logsBegin: JournalPosition
  /// What is known of the unit's life before.
  let lifecycle: UnitLifecycle

  /// - Parameters:
  ///   - status: what systemd says of the unit now.
  ///   - mayHaveConditions: whether the unit may have conditions.
  ///   - options: the job's options.
  ///   - present: where the journal ended when the start was asked for.
  init(
    _ action: Action, of status: UnitStatus, mayHaveConditions: Bool, _ options: TaskOptions,
    present: JournalPosition
  ) {
    self.action = action
    switch action {
    case .adopt:
      self.mayBeSkipped = false
      self.lifecycle = UnitLifecycle(adopting: status)
      let beginning = options.logs.includeAdopted ? status.beginningOfRun : nil
      self.logsBegin = beginning.map { .since($0) } ?? present
    case .restart, .start:
      self.mayBeSkipped = mayHaveConditions
      // A start joins a run that begins; it replaces one that has ended.
      self.lifecycle = UnitLifecycle(
        previousInvocationID: status.isStarting ? nil : status.invocationID)
      self.logsBegin = present
    }
  }

  /// The event that tells of the start.
  func event(unit: UnitName) -> TaskEventText {
    switch self.action {
    case .adopt: .adopted(unit: unit.name)
    case .restart: .restartedAtStart(unit: unit.name)
    case .start: .started(unit: unit.name)
    }
  }

  /// What takes the start back if it is cancelled.
  var undo: Undo {
    switch self.action {
    case .adopt, .restart: .cancelJob
    case .start: .stop
    }
  }
}

extension UnitStatus {
  /// Whether the unit runs already: it is active, or on its way there with its program running.
  fileprivate var isRunning: Bool {
    switch self.activeState {
    case .active, .reloading, .refreshing: true
    case .activating: self.mainProcessID != nil
    default: false
    }
  }

  /// Whether a run of the unit begins now, which a start would join. systemd makes a new one after the pause before a
  /// restart (Restart=).
  fileprivate var isStarting: Bool {
    self.activeState == .activating && self.subState?.hasPrefix("auto-restart") != true
  }
}
