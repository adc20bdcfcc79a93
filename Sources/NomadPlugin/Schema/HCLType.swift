/// The type of an attribute in a schema, as an HCL type expression.
///
/// The expressions are those that hashicorp/nomad, `plugins/shared/hclspec/hcl_spec.proto`, lists.
public struct HCLType: Sendable, Hashable {
  /// The type as HCL writes it: `list(string)`.
  public let expression: String

  init(expression: String) {
    self.expression = expression
  }

  /// Any value.
  public static let any = Self(expression: "any")

  /// Text.
  public static let string = Self(expression: "string")

  /// An integer or a fraction.
  public static let number = Self(expression: "number")

  /// `true` or `false`.
  public static let bool = Self(expression: "bool")

  /// An ordered list.
  public static func list(_ element: Self) -> Self { Self(expression: "list(\(element.expression))") }

  /// An unordered list without duplicates.
  public static func set(_ element: Self) -> Self { Self(expression: "set(\(element.expression))") }

  /// Values by names of the user's choice.
  public static func map(_ element: Self) -> Self { Self(expression: "map(\(element.expression))") }
}
