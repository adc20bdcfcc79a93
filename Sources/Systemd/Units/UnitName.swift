/// The full name of a unit that can be started: valid by systemd's rules and with a type suffix.
///
/// The rules are those of `systemd.unit(5)` and of `unit_name_is_valid()` in systemd's
/// `src/basic/unit-name.c`: at most 255 bytes; a non-empty prefix, perhaps `@` and an instance, a dot and the
/// type; ASCII letters and digits and `:-_.\` in the prefix, `@` too in the instance.
public struct UnitName: Sendable, Hashable {
  /// The name as systemd knows it, for example `web@1.service`.
  public let name: String

  /// The type of the unit.
  public let type: UnitType

  /// What is before the `@`, or before the type's dot if there is no `@`.
  public let prefix: String

  /// What is between the first `@` and the type's dot, for instances of templates.
  public let instance: String?

  /// Whether the unit is an instance of a template (`web@1.service` is one of `web@.service`).
  public var isTemplateInstance: Bool { self.instance != nil }

  /// The largest number of bytes in a name.
  public static let maximumLength = 255

  /// Takes a name as a person writes it: without a type suffix it is a service, as for `systemctl`.
  ///
  /// Unlike `systemctl` it does not turn paths into mounts, escape other characters or expand patterns. A
  /// name that looks like an option is taken only with its type suffix (`-.mount`, but not `--now`).
  ///
  /// - Throws: ``UnitNameError``.
  public init(_ text: String) throws(UnitNameError) {
    func refuse(_ reason: UnitNameError.Reason) -> UnitNameError { UnitNameError(text: text, reason: reason) }
    guard !text.isEmpty else { throw refuse(.empty) }
    if text.hasPrefix("/") { throw refuse(.path) }
    for scalar in text.unicodeScalars {
      switch scalar {
      case "a"..."z", "A"..."Z", "0"..."9", ":", "-", "_", ".", "\\", "@": continue
      case "*", "?", "[", "]": throw refuse(.pattern)
      case "/": throw refuse(.path)
      default: throw refuse(.character(scalar))
      }
    }
    let suffix = text.lastIndex(of: ".").flatMap { dot in
      UnitType(rawValue: String(text[text.index(after: dot)...])).map { (dot: dot, type: $0) }
    }
    if suffix == nil, text.hasPrefix("-") { throw refuse(.option) }
    self.name = suffix == nil ? text + ".service" : text
    self.type = suffix?.type ?? .service
    guard self.name.utf8.count <= Self.maximumLength else { throw refuse(.tooLong) }
    let stem = text[..<(suffix?.dot ?? text.endIndex)]
    let at = stem.firstIndex(of: "@")
    self.prefix = String(stem[..<(at ?? stem.endIndex)])
    self.instance = at.map { String(stem[stem.index(after: $0)...]) }
    if self.prefix.isEmpty { throw refuse(.noPrefix) }
    if self.instance == "" { throw refuse(.template) }
  }
}

extension UnitName: CustomStringConvertible {
  /// The name.
  public var description: String { self.name }
}
