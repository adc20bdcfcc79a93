/// What systemd knows of the conditions of a unit (`Condition…=`, `ExecCondition=`).
public struct UnitConditions: Sendable, Hashable {
  /// The properties that are needed for it.
  static let properties = ["ConditionResult", "ConditionTimestamp", "ExecCondition"]

  /// Whether they were met when systemd last looked; nil if it has not looked since it has loaded the unit.
  public let areMet: Bool?

  /// When systemd last looked.
  public let time: RealtimeTimestamp?

  /// Whether commands decide as well (`ExecCondition=`).
  public let hasCommands: Bool

  /// Reads the properties that `systemctl show --timestamp=us+utc` prints.
  init(_ properties: [String: String]) {
    self.time = properties["ConditionTimestamp"].flatMap { RealtimeTimestamp($0) }
    self.areMet = self.time == nil ? nil : properties["ConditionResult"] == "yes"
    self.hasCommands = properties["ExecCondition"]?.isEmpty == false
  }
}
