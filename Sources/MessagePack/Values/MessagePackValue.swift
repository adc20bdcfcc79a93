/// Any value that MessagePack can carry (<https://github.com/msgpack/msgpack/blob/master/spec.md>).
///
/// Equal values have the same canonical encoding, whatever form they were read from, apart from the usual
/// rules of the payload types: a NaN is not equal to itself, -0.0 equals 0.0, and strings compare by
/// canonical equivalence. Maps with the same entries in a different order are different.
public enum MessagePackValue: Sendable, Hashable {
  /// The absence of a value.
  case `nil`

  /// True or false.
  case bool(Bool)

  /// An integer from -2⁶³ through 2⁶⁴ - 1; the encoder refuses others.
  case integer(Int128)

  /// A floating point number; a float 32 is widened, which is exact.
  case float(Double)

  /// Text. On the wire it is UTF-8.
  case string(String)

  /// Bytes without a meaning of their own.
  case binary([UInt8])

  /// A sequence of values.
  case array([MessagePackValue])

  /// Entries in the order of the wire. Keys may be of any type and may repeat.
  case map([MapEntry])

  /// A moment in time, the extension of type -1.
  case timestamp(MessagePackTimestamp)

  /// An extension of any other type: 0 through 127 are the application's, -128 through -2 are reserved.
  case ext(type: Int8, data: [UInt8])

  /// A key of a map and the value it stands for.
  public struct MapEntry: Sendable, Hashable {
    /// What the value is found by.
    public var key: MessagePackValue

    /// What the key stands for.
    public var value: MessagePackValue

    /// Pairs a key with a value.
    public init(key: MessagePackValue, value: MessagePackValue) {
      self.key = key
      self.value = value
    }
  }
}
