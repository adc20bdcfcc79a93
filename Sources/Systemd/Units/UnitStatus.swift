/// The properties of one unit, as `systemctl show` prints them.
///
/// A typed property is nil if systemd has no value for it, prints `[not set]`, or the unit's type does not
/// have it. The properties are described in `org.freedesktop.systemd1(5)`.
public struct UnitStatus: Sendable, Hashable {
  /// The properties as they were printed; if one was printed several times, the first value.
  public let properties: [String: String]

  /// Makes a status from properties, of which `Id` must be one.
  ///
  /// - Throws: ``UnitStatusError`` if it is not.
  public init(properties: [String: String]) throws(UnitStatusError) {
    guard let id = properties["Id"], !id.isEmpty else {
      throw UnitStatusError(propertyCount: properties.count)
    }
    self.id = id
    self.properties = properties
  }

  /// The properties that ``Systemctl/show(_:)-(UnitName)`` asks for.
  package static let requestedProperties = [
    "Id", "Names", "LoadState", "LoadError", "ActiveState", "SubState", "FragmentPath", "UnitFileState",
    "Type",
    "InvocationID", "MainPID", "ControlPID", "ControlGroup", "Result", "ExecMainCode", "ExecMainStatus",
    "ExecMainStartTimestamp", "ExecMainExitTimestamp", "ActiveEnterTimestamp", "ActiveExitTimestamp",
    "InactiveEnterTimestamp", "InactiveExitTimestamp", "StateChangeTimestamp", "NRestarts",
    "NeedDaemonReload",
    "CollectMode", "DropInPaths", "RemainAfterExit", "CPUUsageNSec", "MemoryCurrent", "MemoryPeak",
    "MemorySwapCurrent", "TasksCurrent",
    "TriggeredBy", "Triggers", "Job", "TimeoutStopUSec", "KillMode", "Accept", "StatusText", "StatusErrno",
  ]

  // MARK: Identity

  /// The unit's primary name; `systemctl show` also takes an alias.
  public let id: String

  /// All names of the unit.
  public var names: [String] { self.words("Names") }

  /// The file that defines the unit.
  public var fragmentPath: String? { self.text("FragmentPath") }

  /// The files that change or extend that definition.
  public var dropInPaths: [String] { self.words("DropInPaths") }

  /// Whether the unit is enabled, static, masked …: see `systemctl is-enabled`.
  public var unitFileState: String? { self.text("UnitFileState") }

  /// Whether the unit's file or a drop-in of it was changed since systemd read it.
  public var needsDaemonReload: Bool? { self.flag("NeedDaemonReload") }

  // MARK: State

  /// Whether the unit's definition was read.
  public var loadState: LoadState { LoadState(self.properties["LoadState"] ?? "") }

  /// Why the definition was not read, in systemd's words.
  public var loadError: String? {
    // It is printed as the D-Bus name of the error and its message in quotation marks.
    guard let error = self.text("LoadError") else { return nil }
    let parts = error.split(separator: " ", maxSplits: 1)
    guard parts.count == 2, parts[1].count >= 2, parts[1].hasPrefix("\""), parts[1].hasSuffix("\"") else {
      return error
    }
    let message = parts[1].dropFirst().dropLast()
    return message.isEmpty ? nil : String(message)
  }

  /// Whether the unit is active.
  public var activeState: ActiveState { ActiveState(self.properties["ActiveState"] ?? "") }

  /// The state in terms of the unit's type, for example `running` or `auto-restart` of a service.
  public var subState: String? { self.text("SubState") }

  /// The number of the job that is queued or running for the unit.
  public var jobID: UInt32? {
    // It is printed as the number, or as the number and the path of the job's object.
    self.text("Job").flatMap { $0.split(separator: " ").first }.flatMap { UInt32($0) }.flatMap {
      $0 == 0 ? nil : $0
    }
  }

  /// Identifies one run of the unit; 32 hexadecimal digits. It is different each time the unit is started.
  public var invocationID: String? { self.text("InvocationID") }

  /// Whether systemd knows of no run of the unit: there was none, or systemd has unloaded the unit since.
  ///
  /// systemd unloads a unit that is inactive and that nothing refers to. Afterwards it shows what is in the
  /// unit's file.
  public var isForgotten: Bool {
    self.invocationID == nil && self.stateChange == nil && self.activeState.isDown
  }

  /// Whether systemd unloads the unit even if it has failed (`CollectMode=inactive-or-failed`).
  public var isForgottenWhenFailed: Bool { self.properties["CollectMode"] == "inactive-or-failed" }

  /// The units that start this unit, such as its timer or socket.
  public var triggeredBy: [String] { self.words("TriggeredBy") }

  /// The units that this unit starts.
  public var triggers: [String] { self.words("Triggers") }

  /// Whether a socket starts an instance of a template for each connection.
  public var acceptsConnections: Bool? { self.flag("Accept") }

  // MARK: When the state changed

  /// When the unit last became active.
  public var activeEnter: RealtimeTimestamp? { self.timestamp("ActiveEnterTimestamp") }

  /// When the unit last left the active state.
  public var activeExit: RealtimeTimestamp? { self.timestamp("ActiveExitTimestamp") }

  /// When the unit last became inactive or failed.
  public var inactiveEnter: RealtimeTimestamp? { self.timestamp("InactiveEnterTimestamp") }

  /// When the unit last left the inactive or failed state.
  public var inactiveExit: RealtimeTimestamp? { self.timestamp("InactiveExitTimestamp") }

  /// When the unit's state last changed.
  public var stateChange: RealtimeTimestamp? { self.timestamp("StateChangeTimestamp") }

  // MARK: Processes

  /// The type of a service (`simple`, `oneshot` …); of a mount, the type of its file system.
  public var serviceType: String? { self.text("Type") }

  /// The process ID of a service's main process, while it runs.
  public var mainProcessID: Int32? { self.number("MainPID").flatMap { $0 > 0 ? $0 : nil } }

  /// The process ID of the command that starts, stops or reloads the unit, while it runs.
  public var controlProcessID: Int32? { self.number("ControlPID").flatMap { $0 > 0 ? $0 : nil } }

  /// The unit's control group below the root of the hierarchy, while it has one.
  public var controlGroup: String? { self.text("ControlGroup") }

  /// How the unit's last run ended: `success`, `exit-code`, `signal`, `timeout` …
  public var result: String? { self.text("Result") }

  /// How the main process of the last run ended.
  public var mainProcessExit: MainProcessExit? {
    guard let code: Int32 = self.number("ExecMainCode"), let status: Int32 = self.number("ExecMainStatus")
    else {
      return nil
    }
    return MainProcessExit(code: code, status: status)
  }

  /// When the main process was last started.
  public var mainProcessStart: RealtimeTimestamp? { self.timestamp("ExecMainStartTimestamp") }

  /// When the main process last ended; nil while it runs for the first time.
  public var mainProcessEnd: RealtimeTimestamp? { self.timestamp("ExecMainExitTimestamp") }

  /// How often systemd has restarted the service by itself since a start job last started it.
  public var restartCount: UInt32? { self.number("NRestarts") }

  /// Whether a service counts as active after its main process has exited.
  public var remainsAfterExit: Bool? { self.flag("RemainAfterExit") }

  /// How long systemd waits for the unit to stop before it kills it.
  public var stopTimeout: TimeSpan? { self.text("TimeoutStopUSec").flatMap { TimeSpan($0) } }

  /// Which processes are killed when the unit is stopped: `control-group`, `mixed`, `process` or `none`.
  public var killMode: String? { self.text("KillMode") }

  /// The status text that a service last sent by `sd_notify(3)`.
  public var statusText: String? { self.text("StatusText") }

  /// The error number that a service last sent by `sd_notify(3)`; nil for 0.
  public var statusErrno: Int32? { self.number("StatusErrno").flatMap { $0 == 0 ? nil : $0 } }

  // MARK: Resources

  /// CPU time used by the unit's control group, in nanoseconds.
  public var cpuUsageNanoseconds: UInt64? { self.measure("CPUUsageNSec") }

  /// Memory used by the unit's control group, in bytes.
  public var memoryCurrent: UInt64? { self.measure("MemoryCurrent") }

  /// The most memory that the unit's control group has used, in bytes (since systemd 254).
  public var memoryPeak: UInt64? { self.measure("MemoryPeak") }

  /// Memory of the unit's control group in swap, in bytes; older versions do not show it.
  public var memorySwapCurrent: UInt64? { self.measure("MemorySwapCurrent") }

  /// The number of tasks (processes and threads) in the unit's control group.
  public var tasksCurrent: UInt64? { self.measure("TasksCurrent") }

  // MARK: Values

  private func text(_ name: String) -> String? {
    guard let value = self.properties[name], !value.isEmpty, value != "[not set]" else { return nil }
    return value
  }

  private func words(_ name: String) -> [String] {
    self.text(name)?.split(separator: " ").map(String.init) ?? []
  }

  private func flag(_ name: String) -> Bool? {
    switch self.properties[name] {
    case "yes": true
    case "no": false
    default: nil
    }
  }

  private func number<Number: FixedWidthInteger>(_ name: String) -> Number? {
    self.text(name).flatMap { Number($0) }
  }

  /// The largest number stands for "no value" in D-Bus.
  private func measure(_ name: String) -> UInt64? {
    self.number(name).flatMap { $0 == .max ? nil : $0 }
  }

  private func timestamp(_ name: String) -> RealtimeTimestamp? {
    self.text(name).flatMap { RealtimeTimestamp($0) }
  }
}

extension UnitStatus {
  /// Reads the output of `systemctl show` (``UnitProperties``), with ``requestedProperties`` of one or
  /// several units.
  ///
  /// - Throws: ``UnitStatusError`` if a unit's properties lack `Id`.
  package static func parse(_ output: [UInt8]) throws(UnitStatusError) -> [UnitStatus] {
    var units: [UnitStatus] = []
    for properties in UnitProperties.parse(output) { units.append(try UnitStatus(properties: properties)) }
    return units
  }
}
