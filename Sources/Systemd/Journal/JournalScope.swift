/// Which entries of units are asked for.
public enum JournalScope: Sendable, Hashable {
  /// All: what the units' processes logged, and what is said about the units.
  case all

  /// What the service manager says about the units. However much they log, this is cheap to read.
  case manager

  /// Whether an entry of these units is asked for.
  public func includes(_ entry: JournalEntry, of units: [UnitName]) -> Bool {
    switch self {
    case .all: true
    case .manager: entry.isLifecycle && units.contains { $0.name == entry.subjectUnit }
    }
  }

  /// The options of journalctl(1).
  func options(for units: [UnitName]) -> [String] {
    switch self {
    case .all: units.map { "--unit=\($0.name)" }
    case .manager: []
    }
  }

  /// The matches of journalctl(1), which come after all options.
  func matches(for units: [UnitName]) -> [String] {
    switch self {
    case .all: []
    case .manager: ["_PID=1"] + units.map { "UNIT=\($0.name)" }
    }
  }
}
