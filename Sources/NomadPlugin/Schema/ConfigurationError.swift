import MessagePack

/// What is wrong with a configuration block, for the person who wrote it.
public struct ConfigurationError: Error, Sendable, Hashable, CustomStringConvertible {
  /// One line that names the attribute and what is allowed.
  public let description: String

  /// Says what is wrong with an attribute, for example `poll_interval` and `must be at least 100ms`.
  public init(attribute: String, problem: String) {
    description = "\(attribute): \(problem)"
  }

  /// Says why a block could not be decoded.
  init(block: String, undecodable error: any Error) {
    let problem = (error as? DecodingError)?.explanation ?? String(describing: error)
    description = "invalid \(block): \(problem)"
  }
}

/// Decodes a block as Nomad sends it: a MessagePack map with an entry for each attribute of the schema, nil if
/// the attribute is not set. No bytes at all stand for an empty block.
func decodeBlock<T: Decodable>(
  _ type: T.Type, from bytes: [UInt8], named block: String
) throws(ConfigurationError) -> T {
  let emptyMap: [UInt8] = [0x80]
  do {
    return try MessagePackDecoder().decode(type, from: bytes.isEmpty ? emptyMap : bytes)
  } catch {
    throw ConfigurationError(block: block, undecodable: error)
  }
}
