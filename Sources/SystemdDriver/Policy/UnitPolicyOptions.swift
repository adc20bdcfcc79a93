import NomadPlugin
import Systemd

/// The plugin's options that say which units jobs may have.
struct UnitPolicyOptions: Decodable {
  private let allowed_units: [String]?
  private let denied_units: [String]?
  private let unprotected_units: [String]?
  private let allowed_unit_types: [String]?
  private let policyRules: [Rule]?

  private enum CodingKeys: String, CodingKey {
    case allowed_units, denied_units, unprotected_units, allowed_unit_types
    case policyRules = "policy"
  }

  private struct Rule: Decodable {
    let namespace: String?
    let job: String?
    let allowed_units: [String]
  }

  static let schema: [String: HCLSpec] = [
    "allowed_units": .attribute(.list(.string)),
    "denied_units": .attribute(.list(.string)),
    "unprotected_units": .attribute(.list(.string)),
    "allowed_unit_types": .attribute(.list(.string)),
    "policy": .blockList(
      .object([
        "namespace": .default(.attribute(.string), "*"),
        "job": .default(.attribute(.string), "*"),
        "allowed_units": .attribute(.list(.string), required: true),
      ])),
  ]

  /// The policy that they say.
  ///
  /// - Throws: `ConfigurationError` if a pattern can match no unit, or a type is unknown.
  var policy: UnitPolicy {
    get throws(ConfigurationError) {
      var policy = UnitPolicy()
      policy.allowedUnits = try self.allowed_units.map { patterns throws(ConfigurationError) in
        try Self.patterns(patterns, "allowed_units")
      }
      policy.deniedUnits = try Self.patterns(self.denied_units ?? [], "denied_units")
      policy.unprotectedUnits = try Self.patterns(self.unprotected_units ?? [], "unprotected_units")
      if let types = self.allowed_unit_types {
        policy.allowedTypes = []
        for text in types {
          guard let type = UnitType(rawValue: text) else {
            throw ConfigurationError(
              attribute: "allowed_unit_types",
              problem: "'\(text)' is not a type of units; there are "
                + UnitType.allCases.map(\.rawValue).joined(separator: ", "))
          }
          policy.allowedTypes?.insert(type)
        }
      }
      for rule in self.policyRules ?? [] {
        policy.rules.append(
          UnitPolicy.Rule(
            namespace: UnitPattern(rule.namespace ?? "*"), job: UnitPattern(rule.job ?? "*"),
            allowedUnits: try Self.patterns(rule.allowed_units, "policy.allowed_units")))
      }
      return policy
    }
  }

  private static func patterns(
    _ texts: [String], _ attribute: String
  ) throws(ConfigurationError) -> [UnitPattern] {
    for text in texts {
      // A name without its type would match nothing, and an operator believe that it is denied.
      let type = text.split(separator: ".", omittingEmptySubsequences: false).last.map(String.init) ?? ""
      guard !text.utf8.contains(0), type.hasSuffix("*") || (type != text && UnitType(rawValue: type) != nil)
      else {
        throw ConfigurationError(
          attribute: attribute,
          problem:
            "'\(text)' matches no unit: a pattern ends with a type, as \"web-*.service\", or with \"*\"")
      }
      guard !text.contains("@.") else {
        throw ConfigurationError(
          attribute: attribute,
          problem: "'\(text)' matches no unit that can run: the instances of a template are \"web@*.service\""
        )
      }
    }
    return texts.map { UnitPattern($0) }
  }
}
