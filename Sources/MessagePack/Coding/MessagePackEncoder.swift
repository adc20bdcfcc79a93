/// Encodes values as MessagePack, each in the shortest form there is for it.
public struct MessagePackEncoder: Sendable {
  private let limits: MessagePackLimits

  /// Makes an encoder that refuses what a decoder with the same limits would refuse.
  public init(limits: MessagePackLimits = MessagePackLimits()) {
    self.limits = limits
  }

  /// Encodes one value.
  ///
  /// A float becomes a float 32 if that changes nothing; it never becomes an integer.
  ///
  /// - Throws: `EncodingError.invalidValue` if the value, or one inside it, is an integer outside -2⁶³
  ///   through 2⁶⁴ - 1, an extension of type -1 (that is what timestamps are for), longer than 2³² - 1, or
  ///   if the whole exceeds the limits.
  public func encode(_ value: MessagePackValue) throws(EncodingError) -> [UInt8] {
    var writer = MessagePackWriter(maximumDepth: limits.depth)
    try writer.append(value)
    guard writer.output.count <= limits.byteCount else {
      throw EncodingError.invalidValue(
        value,
        EncodingError.Context(
          codingPath: [],
          debugDescription:
            "at most \(limits.byteCount) bytes are allowed, and \(writer.output.count) are needed"))
    }
    return writer.output
  }
}
