/// The path of a control group below the root of its hierarchy, as systemd shows it (`ControlGroup=`).
///
/// It is checked, because files below it are read as root: no path may lead out of the hierarchy.
package struct ControlGroupPath: Sendable, Hashable {
  /// The names of the groups on the way, from the root; none is empty, `.` or `..`, or has a slash or a NUL.
  package let components: [String]

  /// The largest number of groups on the way.
  static let maximumDepth = 64

  /// Takes an absolute path of at most 64 names, each of at most 255 bytes. Anything else gives nil.
  package init?(_ text: String) {
    guard text.utf8.first == UInt8(ascii: "/") else { return nil }
    // By bytes, as the kernel does: a slash with a combining mark after it is another Character.
    let components = text.utf8.dropFirst().split(
      separator: UInt8(ascii: "/"), omittingEmptySubsequences: false
    )
    .map { String(Substring($0)) }
    // The root is the group of a unit too: of -.slice.
    self.components = components == [""] ? [] : components
    let areValid = self.components.allSatisfy { name in
      (1...255).contains(name.utf8.count) && name != "." && name != ".." && !name.utf8.contains(0)
    }
    guard areValid, self.components.count <= Self.maximumDepth else { return nil }
  }
}
