/// A value, where it lies, and its conversions: both the decoder and the single value container for it.
struct ValueDecoder: Decoder, SingleValueDecodingContainer {
  let value: MessagePackValue
  let codingPath: [any CodingKey]

  var userInfo: [CodingUserInfoKey: Any] { [:] }

  // MARK: Decoder

  func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
    KeyedDecodingContainer(try KeyedContainer<Key>(self))
  }

  func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
    try UnkeyedContainer(self)
  }

  func singleValueContainer() throws -> any SingleValueDecodingContainer {
    self
  }

  // MARK: SingleValueDecodingContainer

  func decodeNil() -> Bool {
    value == .nil
  }

  func decode(_ type: Bool.Type) throws -> Bool {
    guard case .bool(let bool) = value else { throw mismatch(type, expected: "a boolean") }
    return bool
  }

  func decode(_ type: String.Type) throws -> String {
    guard case .string(let string) = value else { throw mismatch(type, expected: "a string") }
    return string
  }

  func decode(_ type: Double.Type) throws -> Double { try floatingPoint(type) }
  func decode(_ type: Float.Type) throws -> Float { try floatingPoint(type) }
  func decode(_ type: Int.Type) throws -> Int { try integer(type) }
  func decode(_ type: Int8.Type) throws -> Int8 { try integer(type) }
  func decode(_ type: Int16.Type) throws -> Int16 { try integer(type) }
  func decode(_ type: Int32.Type) throws -> Int32 { try integer(type) }
  func decode(_ type: Int64.Type) throws -> Int64 { try integer(type) }
  func decode(_ type: Int128.Type) throws -> Int128 { try integer(type) }
  func decode(_ type: UInt.Type) throws -> UInt { try integer(type) }
  func decode(_ type: UInt8.Type) throws -> UInt8 { try integer(type) }
  func decode(_ type: UInt16.Type) throws -> UInt16 { try integer(type) }
  func decode(_ type: UInt32.Type) throws -> UInt32 { try integer(type) }
  func decode(_ type: UInt64.Type) throws -> UInt64 { try integer(type) }
  func decode(_ type: UInt128.Type) throws -> UInt128 { try integer(type) }
  func decode<T: Decodable>(_ type: T.Type) throws -> T { try T(from: self) }

  // MARK: Numbers

  private func integer<T: FixedWidthInteger>(_ type: T.Type) throws -> T {
    let exact: T?
    switch value {
    case .integer(let integer): exact = T(exactly: integer)
    case .float(let float): exact = T(exactly: float)
    case .string(let text) where Self.isDecimal(text): exact = T(text)
    default: throw mismatch(type, expected: "an integer")
    }
    guard let exact else {
      throw corrupted("expected an integer from \(T.min) through \(T.max), found \(value.summary)")
    }
    return exact
  }

  private func floatingPoint<T: BinaryFloatingPoint & LosslessStringConvertible>(_ type: T.Type) throws -> T {
    switch value {
    case .integer(let integer):
      guard let exact = T(exactly: integer) else {
        throw corrupted("expected a number that \(T.self) holds exactly, found \(value.summary)")
      }
      return exact
    case .float(let float):
      let nearest = T(float)
      guard nearest.isFinite || !float.isFinite else { throw tooLarge(type) }
      return nearest
    case .string(let text) where Self.isDecimal(text):
      guard let nearest = T(text), nearest.isFinite else { throw tooLarge(type) }
      return nearest
    default:
      throw mismatch(type, expected: "a number")
    }
  }

  /// Whether the text is a decimal number as go-cty writes it: perhaps a sign, digits, perhaps a fraction.
  private static func isDecimal(_ text: String) -> Bool {
    let unsigned = text.utf8.first == UInt8(ascii: "-") ? text.utf8.dropFirst() : text.utf8[...]
    let parts = unsigned.split(separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
    return parts.allSatisfy { part in
      !part.isEmpty && part.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }
  }

  // MARK: Errors

  /// The error for a value of another kind than the type needs.
  func mismatch(_ type: any Any.Type, expected: String) -> DecodingError {
    let context = context("expected \(expected), found \(value.summary)")
    return value == .nil ? .valueNotFound(type, context) : .typeMismatch(type, context)
  }

  /// The error for a value of the right kind that breaks another rule.
  func corrupted(_ description: String) -> DecodingError {
    .dataCorrupted(context(description))
  }

  private func tooLarge<T>(_ type: T.Type) -> DecodingError {
    corrupted("expected a number in the range of \(type), found \(value.summary)")
  }

  private func context(_ description: String) -> DecodingError.Context {
    DecodingError.Context(codingPath: codingPath, debugDescription: description)
  }
}

extension MessagePackValue: Decodable {
  /// Takes the value as it is.
  ///
  /// - Throws: `DecodingError` if the decoder is not a ``MessagePackDecoder``'s.
  public init(from decoder: any Decoder) throws {
    guard let decoder = try decoder.singleValueContainer() as? ValueDecoder else {
      throw DecodingError.dataCorrupted(
        DecodingError.Context(
          codingPath: decoder.codingPath, debugDescription: "expected a value of a MessagePackDecoder"))
    }
    self = decoder.value
  }
}
