/// The types of units, named by the suffix of a unit's name (`systemd.unit(5)`).
public enum UnitType: String, Sendable, CaseIterable {
  case service, socket, target, device, mount, automount, swap, timer, path, slice, scope
}
