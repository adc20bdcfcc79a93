/// A map with string keys.
struct KeyedContainer<Key: CodingKey>: KeyedDecodingContainerProtocol {
  let codingPath: [any CodingKey]

  private let values: [String: MessagePackValue]
  private let names: [String]

  init(_ decoder: ValueDecoder) throws {
    guard case .map(let entries) = decoder.value else {
      throw decoder.mismatch([String: MessagePackValue].self, expected: "a map")
    }
    var values: [String: MessagePackValue] = [:]
    var names: [String] = []
    values.reserveCapacity(entries.count)
    names.reserveCapacity(entries.count)
    for entry in entries {
      guard case .string(let name) = entry.key else {
        throw decoder.corrupted("expected a map with strings for keys, found the key \(entry.key.summary)")
      }
      guard values.updateValue(entry.value, forKey: name) == nil else {
        throw decoder.corrupted("expected each key once, found \(MessagePackValue.quoted(name)) twice")
      }
      names.append(name)
    }
    codingPath = decoder.codingPath
    self.values = values
    self.names = names
  }

  var allKeys: [Key] {
    names.compactMap(Key.init(stringValue:))
  }

  func contains(_ key: Key) -> Bool {
    values[key.stringValue] != nil
  }

  func decodeNil(forKey key: Key) throws -> Bool {
    try decoder(forKey: key).decodeNil()
  }

  func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
    try T(from: decoder(forKey: key))
  }

  func nestedContainer<NestedKey: CodingKey>(
    keyedBy type: NestedKey.Type, forKey key: Key
  ) throws -> KeyedDecodingContainer<NestedKey> {
    try decoder(forKey: key).container(keyedBy: type)
  }

  func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
    try decoder(forKey: key).unkeyedContainer()
  }

  func superDecoder() throws -> any Decoder {
    try decoder(forKey: PathKey(stringValue: "super"))
  }

  func superDecoder(forKey key: Key) throws -> any Decoder {
    try decoder(forKey: key)
  }

  private func decoder(forKey key: some CodingKey) throws -> ValueDecoder {
    guard let value = values[key.stringValue] else {
      throw DecodingError.keyNotFound(
        key, DecodingError.Context(codingPath: codingPath, debugDescription: "required, but missing"))
    }
    return ValueDecoder(value: value, codingPath: codingPath + [key])
  }
}
