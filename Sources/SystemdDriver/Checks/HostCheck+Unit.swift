import Processes
import Systemd

extension HostCheck {
  /// Checks a unit, by its name as jobs have it.
  func unit(_ text: String, killTimeout: Duration, defaultStopTimeout: String?) async throws
    -> [Check]
  {
    let unit: UnitName
    do {
      unit = try UnitName(text)
    } catch {
      return [Check("unit", of: text, .fail, "\(error)")]
    }
    do {
      let output = try await self.tool("systemctl").output(
        "show", [unit],
        [
          "--no-pager", "--no-ask-password", "show", "--timestamp=us+utc",
          "--property=" + (UnitStatus.requestedProperties + UnitCheck.properties).joined(separator: ","),
          "--", unit.name,
        ], timeLimit: Self.timeLimit)
      guard let status = try? UnitStatus.parse(output).first else {
        return [
          Check(
            "unit", of: unit.name, .fail, "unexpected output of systemctl show: \(DisplayText(output).text)")
        ]
      }
      let triggers = status.triggeredBy.compactMap { try? UnitName($0) }
      let active = try await self.systemctl.listUnits(triggers).filter {
        $0.value.activeState == .active
      }.keys
      return UnitCheck(
        unit, status, activeTriggers: active.map(\.name).sorted(), killTimeout: killTimeout,
        defaultStopTimeout: defaultStopTimeout
      ).checks
    } catch let error as SystemdError {
      return [Check("unit", of: unit.name, .fail, error)]
    }
  }
}
