/// A fixed value in a schema. Swift's literals stand for HCL's: `true`, `5`, `0.5`, `"1s"`, `["a", "b"]`.
public struct HCLValue: Sendable, Hashable {
  /// The value as an HCL expression.
  public let expression: String

  init(expression: String) {
    self.expression = expression
  }

  /// `true` or `false`.
  public static func bool(_ value: Bool) -> Self { Self(expression: "\(value)") }

  /// A whole number.
  public static func integer(_ value: Int) -> Self { Self(expression: "\(value)") }

  /// A number. HCL has none that is not finite: those become `null`.
  public static func double(_ value: Double) -> Self {
    Self(expression: value.isFinite ? "\(value)" : "null")
  }

  /// Text; it is taken as it is, without interpolation.
  public static func string(_ value: String) -> Self { Self(expression: quoted(value)) }

  /// A list of values.
  public static func list(_ values: [Self]) -> Self {
    Self(expression: "[\(values.map(\.expression).joined(separator: ", "))]")
  }

  /// Quotes text by the rules of HCL's native syntax for quoted templates.
  ///
  /// A `$` or `%` that would start an interpolation is escaped by its number: `$${` is read differently after
  /// another `$`.
  private static func quoted(_ text: String) -> String {
    let scalars = Array(text.unicodeScalars)
    var result = "\""
    for (index, scalar) in scalars.enumerated() {
      let startsInterpolation = index + 1 < scalars.count && scalars[index + 1] == "{"
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case "$" where startsInterpolation: result += "\\u0024"
      case "%" where startsInterpolation: result += "\\u0025"
      case _ where scalar.properties.generalCategory == .control:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}

extension HCLValue: ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByStringLiteral, ExpressibleByArrayLiteral
{
  /// Makes `true` or `false`.
  public init(booleanLiteral value: Bool) { self = .bool(value) }

  /// Makes a whole number.
  public init(integerLiteral value: Int) { self = .integer(value) }

  /// Makes a number.
  public init(floatLiteral value: Double) { self = .double(value) }

  /// Makes text.
  public init(stringLiteral value: String) { self = .string(value) }

  /// Makes a list.
  public init(arrayLiteral elements: HCLValue...) { self = .list(elements) }
}
