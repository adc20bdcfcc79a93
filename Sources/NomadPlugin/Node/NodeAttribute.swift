import SwiftProtobuf

/// A value of the node that jobs can constrain on.
///
/// Units are those of hashicorp/nomad, `plugins/shared/structs/units.go`, such as `MHz` or `MiB`.
public enum NodeAttribute: Sendable, Hashable {
  /// Text.
  case string(String)
  /// `true` or `false`.
  case bool(Bool)
  /// A whole number, perhaps with a unit.
  case integer(Int64, unit: String? = nil)
  /// A number, perhaps with a unit.
  case double(Double, unit: String? = nil)
}

extension NodeAttribute: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral
{
  /// Makes text.
  public init(stringLiteral value: String) { self = .string(value) }

  /// Makes `true` or `false`.
  public init(booleanLiteral value: Bool) { self = .bool(value) }

  /// Makes a whole number.
  public init(integerLiteral value: Int64) { self = .integer(value) }

  /// Makes a number.
  public init(floatLiteral value: Double) { self = .double(value) }
}

extension NodeAttribute {
  /// Reads an attribute; nil for one without a value.
  init?(_ wire: WireAttribute) {
    let unit = wire.unit.isEmpty ? nil : wire.unit
    switch wire.value {
    case .stringVal(let value): self = .string(value)
    case .boolVal(let value): self = .bool(value)
    case .intVal(let value): self = .integer(value, unit: unit)
    case .floatVal(let value): self = .double(value, unit: unit)
    case nil: return nil
    }
  }

  var wire: WireAttribute {
    .with {
      switch self {
      case .string(let value): $0.stringVal = value
      case .bool(let value): $0.boolVal = value
      case .integer(let value, let unit):
        $0.intVal = value
        $0.unit = unit ?? ""
      case .double(let value, let unit):
        $0.floatVal = value
        $0.unit = unit ?? ""
      }
    }
  }
}
