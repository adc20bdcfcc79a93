/// Output of `systemctl show` that does not say which unit it is about.
public struct UnitStatusError: Error, Sendable, Hashable {
  let propertyCount: Int
}

extension UnitStatusError: CustomStringConvertible {
  /// What is missing.
  public var description: String { "a block of \(self.propertyCount) properties without the property Id" }
}
