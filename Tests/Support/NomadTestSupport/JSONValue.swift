package import MessagePack
import TestHelpers

/// Any value of JSON.
package enum JSONValue: Decodable, Sendable {
  case null
  case bool(Bool)
  case integer(Int64)
  case number(Double)
  case text(String)
  case array([JSONValue])
  case object([String: JSONValue])

  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let value = try? container.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? container.decode(Int64.self) {
      self = .integer(value)
    } else if let value = try? container.decode(Double.self) {
      self = .number(value)
    } else if let value = try? container.decode(String.self) {
      self = .text(value)
    } else if let value = try? container.decode([JSONValue].self) {
      self = .array(value)
    } else {
      self = .object(try container.decode([String: JSONValue].self))
    }
  }

  /// A member of an object; null if it has none of this name.
  package subscript(name: String) -> JSONValue {
    if case .object(let members) = self { members[name] ?? .null } else { .null }
  }

  /// The text; empty if it is none.
  package var text: String { if case .text(let text) = self { text } else { "" } }

  /// Whether it is true.
  package var isTrue: Bool { if case .bool(true) = self { true } else { false } }

  /// The members of an object that are texts.
  package var texts: [String: String] {
    guard case .object(let members) = self else { return [:] }
    return members.compactMapValues { if case .text(let text) = $0 { text } else { nil } }
  }

  /// The same value in the other encoding.
  package var messagePack: MessagePackValue {
    switch self {
    case .null: .nil
    case .bool(let value): .bool(value)
    case .integer(let value): .integer(Int128(value))
    case .number(let value): .float(value)
    case .text(let value): .string(value)
    case .array(let values): .array(values.map(\.messagePack))
    case .object(let members): MessagePackValue(members.mapValues(\.messagePack))
    }
  }
}
