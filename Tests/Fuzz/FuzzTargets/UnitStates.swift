@testable import Systemd

extension FuzzTarget {
  static let unitStatus = FuzzTarget(
    "unit-status",
    seeds: [
      """
      Id=web.service
      Names=web.service www.service
      LoadState=loaded
      LoadError=org.freedesktop.systemd1.LoadFailed "Unit has a bad setting."
      ActiveState=active
      SubState=running
      MainPID=17
      ControlGroup=/system.slice/web.service
      Job=5 /org/freedesktop/systemd1/job/5
      ExecMainCode=1
      ExecMainStatus=7
      ExecMainStartTimestamp=Sun 2026-11-22 17:11:40.452823 UTC
      MemoryCurrent=18446744073709551615
      CPUUsageNSec=[not set]
      TimeoutStopUSec=1min 30s

      Id=b.service
      NRestarts=4294967296
      """, "Id=a\nMainPID=-1\nControlPID=-2\n",
    ],
    words: UnitStatus.requestedProperties.map { "\n\($0)=" } + ["[not set]", "yes", "no", "infinity"]
  ) { input in
    guard let units = try? UnitStatus.parse(input) else { return }
    for unit in units {
      try hold(!unit.id.isEmpty && unit.properties["Id"] == unit.id, "a unit has no name")
      // A number that is no process's means many of them to kill(2).
      try hold(
        (unit.mainProcessID ?? 1) > 0 && (unit.controlProcessID ?? 1) > 0,
        "\(unit.id) has an impossible process")
      try hold(
        unit.jobID != 0 && unit.loadError != "" && unit.invocationID != "", "\(unit.id) has empty values")
      let words = unit.names + unit.dropInPaths + unit.triggers + unit.triggeredBy
      try hold(
        !words.contains { $0.isEmpty || $0.utf8.contains(UInt8(ascii: " ")) }, "\(unit.id) has empty words")
      try hold(
        unit.memoryCurrent != .max && unit.cpuUsageNanoseconds != .max, "\(unit.id) uses all there can be")
      _ = (unit.stopTimeout, unit.mainProcessExit, unit.isForgotten, unit.activeEnter, unit.restartCount)
    }
    let printed = units.map { unit in unit.properties.map { "\($0.key)=\($0.value)\n" }.joined() }.joined(
      separator: "\n")
    let again = try? UnitStatus.parse(Array(printed.utf8))
    try hold(again == units, "what is printed of units is read as others: \(printed.debugDescription)")
  }

  static let unitListing = FuzzTarget(
    "unit-listing",
    seeds: [
      """
      web.service loaded active running The web server
      -.mount     loaded active mounted Root Mount
      a@b.timer   not-found inactive dead
      """, "* web.service loaded\n", "--now loaded active running x\n",
    ],
    words: [".service ", " loaded active ", "not-found", "inactive", "dead", "● ", "\u{301}"]
  ) { input in
    let units = UnitListing.parse(input)
    for (unit, listing) in units {
      try hold((try? UnitName(unit.name)) == unit, "\(unit) is not a unit's name")
      try hold(
        !listing.subState.isEmpty && !listing.subState.contains { $0 == "\n" || $0 == " " },
        "\(unit) has no state")
    }
    let printed = units.map { "\($0) \($1.loadState) \($1.activeState) \($1.subState) A text\n" }.joined()
    try hold(
      UnitListing.parse(Array(printed.utf8)) == units,
      "what is printed of units is read as others: \(printed)")
  }
}
