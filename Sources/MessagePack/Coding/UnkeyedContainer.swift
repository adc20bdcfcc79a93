/// The elements of an array, or the bytes of binary data.
struct UnkeyedContainer: UnkeyedDecodingContainer {
  let codingPath: [any CodingKey]
  private(set) var currentIndex = 0

  private let elements: Elements

  private enum Elements {
    case values([MessagePackValue])
    case bytes([UInt8])
  }

  init(_ decoder: ValueDecoder) throws {
    switch decoder.value {
    case .array(let values): elements = .values(values)
    case .binary(let bytes): elements = .bytes(bytes)
    default: throw decoder.mismatch([MessagePackValue].self, expected: "an array")
    }
    codingPath = decoder.codingPath
  }

  var count: Int? { elementCount }

  var isAtEnd: Bool { currentIndex >= elementCount }

  private var elementCount: Int {
    switch elements {
    case .values(let values): values.count
    case .bytes(let bytes): bytes.count
    }
  }

  mutating func decodeNil() throws -> Bool {
    guard try element(MessagePackValue.self).decodeNil() else { return false }
    currentIndex += 1
    return true
  }

  mutating func decode<T: Decodable>(_ type: T.Type) throws -> T {
    try next(type) { try T(from: $0) }
  }

  mutating func nestedContainer<NestedKey: CodingKey>(
    keyedBy type: NestedKey.Type
  ) throws -> KeyedDecodingContainer<NestedKey> {
    try next(KeyedDecodingContainer<NestedKey>.self) { try $0.container(keyedBy: type) }
  }

  mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
    try next((any UnkeyedDecodingContainer).self) { try $0.unkeyedContainer() }
  }

  mutating func superDecoder() throws -> any Decoder {
    try next((any Decoder).self) { $0 }
  }

  /// Converts the current element, and moves on only if that succeeds.
  private mutating func next<Result>(
    _ type: Result.Type, _ convert: (ValueDecoder) throws -> Result
  ) throws -> Result {
    let result = try convert(element(type))
    currentIndex += 1
    return result
  }

  private func element(_ type: any Any.Type) throws -> ValueDecoder {
    let path = codingPath + [PathKey(index: currentIndex)]
    guard !isAtEnd else {
      throw DecodingError.valueNotFound(
        type,
        DecodingError.Context(
          codingPath: path, debugDescription: "expected another element, found the end of \(elementCount)"))
    }
    switch elements {
    case .values(let values):
      return ValueDecoder(value: values[currentIndex], codingPath: path)
    case .bytes(let bytes):
      return ValueDecoder(value: .integer(Int128(bytes[currentIndex])), codingPath: path)
    }
  }
}
