/// Why a text is not taken as the name of a unit.
public struct UnitNameError: Error, Sendable, Hashable {
  /// The rule that was broken.
  public enum Reason: Sendable, Hashable {
    case empty, path, pattern, option, template, tooLong, noPrefix
    case character(Unicode.Scalar)
  }

  /// What was given.
  public let text: String

  /// The rule that it breaks.
  public let reason: Reason
}

extension UnitNameError: CustomStringConvertible {
  /// What is wrong with the name and what to write instead.
  public var description: String {
    if self.reason == .empty { return "the name of the unit is empty; write for example web.service" }
    let shown = self.text.unicodeScalars.prefix(80).map { $0.escaped(asASCII: true) }.joined()
    let ellipsis = self.text.unicodeScalars.count > 80 ? "…" : ""
    return "\"\(shown)\(ellipsis)\" is not the name of a unit: \(self.explanation)"
  }

  private var explanation: String {
    switch self.reason {
    case .empty:
      "it is empty"
    case .path:
      "it is a path; write the unit's name, which `systemd-escape --path --suffix=mount PATH` prints for a mount"
    case .pattern:
      "it has a pattern character (*, ?, [ or ]); write the name of one unit"
    case .option:
      "it begins with - as an option does; if that is the unit's name, write its type too (-.mount)"
    case .template:
      "it is a template without an instance; write the instance after the @ (web@1.service)"
    case .tooLong:
      "it has more than \(UnitName.maximumLength) bytes"
    case .noPrefix:
      "there is nothing before its type or its @"
    case .character(let scalar):
      "\(scalar.escaped(asASCII: true) == " " ? "a space" : "the character \(scalar.escaped(asASCII: true))")"
        + " is not allowed, only ASCII letters, digits and :-_.\\@; `systemd-escape` encodes others"
    }
  }
}
