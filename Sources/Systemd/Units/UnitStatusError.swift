/// Output of `systemctl show` without the `Id` of a unit.
public struct UnitStatusError: Error, Sendable, Hashable {
  let propertyCount: Int
}

extension UnitStatusError: CustomStringConvertible {
  /// What is missing.
  public var description: String { "a block of \(self.propertyCount) properties without the property Id" }
}
