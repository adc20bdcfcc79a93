/// Reads one value from the front of an input.
struct MessagePackReader {
  private let input: [UInt8]
  private let limits: MessagePackLimits
  private var offset = 0

  /// How many values the open arrays and maps are still to deliver; each takes at least one byte.
  ///
  /// Without it, arrays inside each other could each claim all the bytes that are left, and memory for the
  /// claims of all levels would be set aside.
  private var owed = 0

  init(_ input: [UInt8], limits: MessagePackLimits) throws(MessagePackError) {
    guard input.count <= limits.byteCount else {
      throw MessagePackError(
        offset: limits.byteCount, expected: "the end of the input",
        reason: .tooLarge(limit: limits.byteCount))
    }
    self.input = input
    self.limits = limits
  }

  private var remaining: Int { input.count - offset }

  /// Checks that nothing is left.
  func end() throws(MessagePackError) {
    guard remaining == 0 else {
      throw error("the end of the input", .trailingBytes(count: remaining))
    }
  }

  /// Reads a value.
  ///
  /// - Parameter depth: How many arrays and maps the value lies in.
  mutating func value(depth: Int = 0) throws(MessagePackError) -> MessagePackValue {
    let start = offset
    let format = try integer(UInt8.self, "a value")
    switch format {
    case Format.positiveFixint: return .integer(Int128(format))
    case Format.negativeFixint: return .integer(Int128(Int8(bitPattern: format)))
    case Format.nil: return .nil
    case Format.false: return .bool(false)
    case Format.true: return .bool(true)
    case Format.uint8: return .integer(Int128(try integer(UInt8.self, "an 8-bit integer")))
    case Format.uint16: return .integer(Int128(try integer(UInt16.self, "a 16-bit integer")))
    case Format.uint32: return .integer(Int128(try integer(UInt32.self, "a 32-bit integer")))
    case Format.uint64: return .integer(Int128(try integer(UInt64.self, "a 64-bit integer")))
    case Format.int8: return .integer(Int128(try integer(Int8.self, "an 8-bit integer")))
    case Format.int16: return .integer(Int128(try integer(Int16.self, "a 16-bit integer")))
    case Format.int32: return .integer(Int128(try integer(Int32.self, "a 32-bit integer")))
    case Format.int64: return .integer(Int128(try integer(Int64.self, "a 64-bit integer")))
    case Format.float32:
      return .float(Double(Float(bitPattern: try integer(UInt32.self, "a 32-bit float"))))
    case Format.float64: return .float(Double(bitPattern: try integer(UInt64.self, "a 64-bit float")))
    case Format.fixstr: return try string(count: Int(format & 0x1f))
    case Format.str8: return try string(count: length(UInt8.self))
    case Format.str16: return try string(count: length(UInt16.self))
    case Format.str32: return try string(count: length(UInt32.self))
    case Format.bin8: return try binary(count: length(UInt8.self))
    case Format.bin16: return try binary(count: length(UInt16.self))
    case Format.bin32: return try binary(count: length(UInt32.self))
    case Format.fixarray: return try array(count: Int(format & 0x0f), start: start, depth: depth)
    case Format.array16: return try array(count: length(UInt16.self), start: start, depth: depth)
    case Format.array32: return try array(count: length(UInt32.self), start: start, depth: depth)
    case Format.fixmap: return try map(count: Int(format & 0x0f), start: start, depth: depth)
    case Format.map16: return try map(count: length(UInt16.self), start: start, depth: depth)
    case Format.map32: return try map(count: length(UInt32.self), start: start, depth: depth)
    case Format.fixext1: return try ext(count: 1)
    case Format.fixext2: return try ext(count: 2)
    case Format.fixext4: return try ext(count: 4)
    case Format.fixext8: return try ext(count: 8)
    case Format.fixext16: return try ext(count: 16)
    case Format.ext8: return try ext(count: length(UInt8.self))
    case Format.ext16: return try ext(count: length(UInt16.self))
    case Format.ext32: return try ext(count: length(UInt32.self))
    default: throw error("a value", .reservedFormat, at: start)
    }
  }

  private mutating func string(count: Int) throws(MessagePackError) -> MessagePackValue {
    let start = offset
    let bytes = try take(count, "a string of \(count) bytes")
    guard let string = String(validating: bytes, as: UTF8.self) else {
      throw error("a string of \(count) bytes", .invalidUTF8, at: start)
    }
    return .string(string)
  }

  private mutating func binary(count: Int) throws(MessagePackError) -> MessagePackValue {
    .binary(Array(try take(count, "binary data of \(count) bytes")))
  }

  private mutating func array(
    count: Int, start: Int, depth: Int
  ) throws(MessagePackError) -> MessagePackValue {
    try open(values: count, "an array of \(count) elements", count: count, start: start, depth: depth)
    var elements: [MessagePackValue] = []
    elements.reserveCapacity(count)
    for _ in 0..<count {
      elements.append(try owedValue(depth: depth + 1))
    }
    return .array(elements)
  }

  private mutating func map(
    count: Int, start: Int, depth: Int
  ) throws(MessagePackError) -> MessagePackValue {
    let values = count.multipliedReportingOverflow(by: 2)
    try open(
      values: values.overflow ? .max : values.partialValue, "a map of \(count) entries", count: count,
      start: start, depth: depth)
    var entries: [MessagePackValue.MapEntry] = []
    entries.reserveCapacity(count)
    for _ in 0..<count {
      let key = try owedValue(depth: depth + 1)
      entries.append(MessagePackValue.MapEntry(key: key, value: try owedValue(depth: depth + 1)))
    }
    return .map(entries)
  }

  /// Checks that an array or map of so many values may lie here and can be complete.
  private mutating func open(
    values: Int, _ expected: @autoclosure () -> String, count: Int, start: Int, depth: Int
  ) throws(MessagePackError) {
    guard depth < limits.depth else {
      throw error(expected(), .tooDeep(limit: limits.depth), at: start)
    }
    guard values <= remaining - owed else {
      throw error(expected(), .countTooLarge(count: count), at: start)
    }
    owed += values
  }

  private mutating func owedValue(depth: Int) throws(MessagePackError) -> MessagePackValue {
    owed -= 1
    return try value(depth: depth)
  }

  private mutating func ext(count: Int) throws(MessagePackError) -> MessagePackValue {
    let type = try integer(Int8.self, "an extension type")
    guard type == MessagePackTimestamp.extensionType else {
      return .ext(type: type, data: Array(try take(count, "an extension of \(count) bytes")))
    }
    return .timestamp(try timestamp(count: count))
  }

  private mutating func timestamp(count: Int) throws(MessagePackError) -> MessagePackTimestamp {
    let start = offset
    let expected = "a timestamp of \(count) bytes"
    let seconds: Int64
    var nanoseconds: UInt32 = 0
    switch count {
    case 4:
      seconds = Int64(try integer(UInt32.self, expected))
    case 8:
      let both = try integer(UInt64.self, expected)
      seconds = Int64(both & 0x3_ffff_ffff)
      nanoseconds = UInt32(both >> 34)
    case 12:
      nanoseconds = try integer(UInt32.self, expected)
      seconds = try integer(Int64.self, expected)
    default:
      throw error(expected, .invalidTimestamp)
    }
    guard let timestamp = MessagePackTimestamp(seconds: seconds, nanoseconds: nanoseconds) else {
      throw error(expected, .invalidTimestamp, at: start)
    }
    return timestamp
  }

  private mutating func length<T: FixedWidthInteger>(_ type: T.Type) throws(MessagePackError) -> Int {
    Int(clamping: try integer(type, "a length"))
  }

  /// Reads a big-endian integer.
  private mutating func integer<T: FixedWidthInteger>(
    _ type: T.Type, _ expected: @autoclosure () -> String
  ) throws(MessagePackError) -> T {
    var result: T = 0
    for byte in try take(T.bitWidth / 8, expected()) {
      result = result << 8 | T(truncatingIfNeeded: byte)
    }
    return result
  }

  private mutating func take(
    _ count: Int, _ expected: @autoclosure () -> String
  ) throws(MessagePackError) -> ArraySlice<UInt8> {
    guard count <= remaining else {
      throw error(expected(), .truncated(count: count, available: remaining))
    }
    defer { offset += count }
    return input[offset..<offset + count]
  }

  private func error(
    _ expected: String, _ reason: MessagePackError.Reason, at offset: Int? = nil
  ) -> MessagePackError {
    MessagePackError(offset: offset ?? self.offset, expected: expected, reason: reason)
  }
}
