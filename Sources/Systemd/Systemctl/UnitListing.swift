/// The states of one unit, as `systemctl list-units` prints them.
public struct UnitListing: Sendable, Hashable {
  /// Whether the unit's definition was read.
  public let loadState: LoadState

  /// Whether the unit is active.
  public let activeState: ActiveState

  /// The state in terms of the unit's type.
  public let subState: String

  /// Makes a listing from its states.
  public init(loadState: LoadState, activeState: ActiveState, subState: String) {
    self.loadState = loadState
    self.activeState = activeState
    self.subState = subState
  }

  /// Reads the output of `systemctl list-units --plain --no-legend --full`.
  ///
  /// The columns are name, load state, active state, sub state and description; only the last may hold a
  /// space. Other lines are skipped.
  static func parse(_ output: [UInt8]) -> [UnitName: UnitListing] {
    var units: [UnitName: UnitListing] = [:]
    for line in output.split(separator: UInt8(ascii: "\n")) {
      let columns = line.split(separator: UInt8(ascii: " "), maxSplits: 4).prefix(4)
        .map { String(decoding: $0, as: UTF8.self) }
      guard columns.count == 4, let name = try? UnitName(columns[0]), name.name == columns[0] else {
        continue
      }
      units[name] = UnitListing(
        loadState: LoadState(columns[1]), activeState: ActiveState(columns[2]), subState: columns[3])
    }
    return units
  }
}
