/// Decodes MessagePack, strictly: exactly one value, all of the input, and nothing the specification forbids.
///
/// All integer, length and extension forms are taken, also those longer than they need to be. See
/// ``decode(_:from:)-(_,MessagePackValue)`` for how values become Swift types.
public struct MessagePackDecoder: Sendable {
  private let limits: MessagePackLimits

  /// Makes a decoder that refuses what exceeds the limits.
  public init(limits: MessagePackLimits = MessagePackLimits()) {
    self.limits = limits
  }

  /// Decodes one value.
  ///
  /// - Throws: ``MessagePackError`` if the bytes are anything but one complete value within the limits.
  public func decode(_ bytes: [UInt8]) throws(MessagePackError) -> MessagePackValue {
    var reader = try MessagePackReader(bytes, limits: limits)
    let value = try reader.value()
    try reader.end()
    return value
  }

  /// Decodes one value into a type of Swift.
  ///
  /// - Throws: ``MessagePackError`` if the bytes are anything but one complete value within the limits;
  ///   `DecodingError` if the value does not suit the type, see ``Swift/DecodingError/explanation``.
  public func decode<T: Decodable>(_ type: T.Type, from bytes: [UInt8]) throws -> T {
    try decode(type, from: try decode(bytes))
  }

  /// Turns a value into a type of Swift.
  ///
  /// - A number becomes an integer of any type if it is integral and in the type's range, whether it came
  ///   as an integer, a float or decimal text; an integer becomes a floating point number if that is exact;
  ///   a float or decimal text becomes the nearest number of the type, and is refused if it is too large
  ///   for it. HashiCorp's go-cty sends numbers in all three forms: text is for what 64 bits cannot hold
  ///   exactly, as 0.1.
  /// - A map becomes a keyed container if all its keys are strings and none repeats.
  /// - Binary data becomes an array of `UInt8`.
  /// - Nil is the absence of a value, for an optional the same as a missing key.
  /// - ``MessagePackValue`` itself can be decoded, and is the way to timestamps and other extensions.
  ///
  /// - Throws: `DecodingError` with the path of the value that does not suit, what was expected and what it
  ///   is.
  public func decode<T: Decodable>(_ type: T.Type, from value: MessagePackValue) throws -> T {
    try T(from: ValueDecoder(value: value, codingPath: []))
  }
}
