import Systemd

/// What systemd could say of a unit.
func status(_ activeState: String, _ properties: [String: String] = [:]) throws -> UnitStatus {
  let base = ["Id": "x.service", "LoadState": "loaded", "ActiveState": activeState]
  return try UnitStatus(properties: base.merging(properties) { $1 })
}
