/// Appends encoded values to an output.
struct MessagePackWriter {
  let maximumDepth: Int
  private(set) var output: [UInt8] = []

  init(maximumDepth: Int) {
    self.maximumDepth = maximumDepth
  }

  /// Appends a value that lies in so many arrays and maps.
  mutating func append(_ value: MessagePackValue, depth: Int = 0) throws(EncodingError) {
    switch value {
    case .nil: output.append(Format.nil)
    case .bool(let bool): output.append(bool ? Format.true : Format.false)
    case .integer(let integer): try append(integer)
    case .float(let float): append(float)
    case .string(let string):
      let bytes = string.utf8
      try appendHeader(
        of: value, count: bytes.count, fix: Format.fixstr, to8: Format.str8, to16: Format.str16,
        to32: Format.str32)
      output.append(contentsOf: bytes)
    case .binary(let bytes):
      try appendHeader(
        of: value, count: bytes.count, to8: Format.bin8, to16: Format.bin16, to32: Format.bin32)
      output.append(contentsOf: bytes)
    case .array(let elements):
      try checkDepth(depth, of: value)
      try appendHeader(
        of: value, count: elements.count, fix: Format.fixarray, to16: Format.array16, to32: Format.array32)
      for element in elements {
        try append(element, depth: depth + 1)
      }
    case .map(let entries):
      try checkDepth(depth, of: value)
      try appendHeader(
        of: value, count: entries.count, fix: Format.fixmap, to16: Format.map16, to32: Format.map32)
      for entry in entries {
        try append(entry.key, depth: depth + 1)
        try append(entry.value, depth: depth + 1)
      }
    case .timestamp(let timestamp): append(timestamp)
    case .ext(let type, let data):
      guard type != MessagePackTimestamp.extensionType else {
        throw invalid(value, "extension type -1 is for timestamps: encode it as one")
      }
      try appendExtensionHeader(of: value, count: data.count)
      append(bigEndian: type)
      output.append(contentsOf: data)
    }
  }

  private mutating func append(_ integer: Int128) throws(EncodingError) {
    switch integer {
    case 0...0x7f, -0x20..<0: append(bigEndian: Int8(integer))
    case 0...Int128(UInt8.max): append(Format.uint8, UInt8(integer))
    case 0...Int128(UInt16.max): append(Format.uint16, UInt16(integer))
    case 0...Int128(UInt32.max): append(Format.uint32, UInt32(integer))
    case 0...Int128(UInt64.max): append(Format.uint64, UInt64(integer))
    case Int128(Int8.min)..<0: append(Format.int8, Int8(integer))
    case Int128(Int16.min)..<0: append(Format.int16, Int16(integer))
    case Int128(Int32.min)..<0: append(Format.int32, Int32(integer))
    case Int128(Int64.min)..<0: append(Format.int64, Int64(integer))
    default:
      throw invalid(.integer(integer), "an integer must be from \(Int64.min) through \(UInt64.max)")
    }
  }

  private mutating func append(_ float: Double) {
    let narrow = Float(float)
    if Double(narrow).bitPattern == float.bitPattern {
      append(Format.float32, narrow.bitPattern)
    } else {
      append(Format.float64, float.bitPattern)
    }
  }

  private mutating func append(_ timestamp: MessagePackTimestamp) {
    let (seconds, nanoseconds) = (timestamp.seconds, timestamp.nanoseconds)
    let type = MessagePackTimestamp.extensionType
    if let narrow = UInt32(exactly: seconds), nanoseconds == 0 {
      append(Format.fixext4, type)
      append(bigEndian: narrow)
    } else if let narrow = UInt64(exactly: seconds), narrow >> 34 == 0 {
      append(Format.fixext8, type)
      append(bigEndian: UInt64(nanoseconds) << 34 | narrow)
    } else {
      append(Format.ext8, UInt8(12))
      append(bigEndian: type)
      append(bigEndian: nanoseconds)
      append(bigEndian: seconds)
    }
  }

  private mutating func appendExtensionHeader(of value: MessagePackValue, count: Int) throws(EncodingError) {
    switch count {
    case 1: output.append(Format.fixext1)
    case 2: output.append(Format.fixext2)
    case 4: output.append(Format.fixext4)
    case 8: output.append(Format.fixext8)
    case 16: output.append(Format.fixext16)
    default:
      try appendHeader(of: value, count: count, to8: Format.ext8, to16: Format.ext16, to32: Format.ext32)
    }
  }

  /// Appends the format byte and the length or element count, in the narrowest form that the type has.
  private mutating func appendHeader(
    of value: MessagePackValue, count: Int, fix: ClosedRange<UInt8>? = nil, to8: UInt8? = nil, to16: UInt8,
    to32: UInt8
  ) throws(EncodingError) {
    if let fix, count < fix.count {
      output.append(fix.lowerBound + UInt8(count))
    } else if let to8, let narrow = UInt8(exactly: count) {
      append(to8, narrow)
    } else if let narrow = UInt16(exactly: count) {
      append(to16, narrow)
    } else if let narrow = UInt32(exactly: count) {
      append(to32, narrow)
    } else {
      throw invalid(value, "a length must be at most \(UInt32.max), and this is \(count)")
    }
  }

  private mutating func append<T: FixedWidthInteger>(_ format: UInt8, _ integer: T) {
    output.append(format)
    append(bigEndian: integer)
  }

  private mutating func append<T: FixedWidthInteger>(bigEndian integer: T) {
    for shift in stride(from: T.bitWidth - 8, through: 0, by: -8) {
      output.append(UInt8(truncatingIfNeeded: integer >> shift))
    }
  }

  private func checkDepth(_ depth: Int, of value: MessagePackValue) throws(EncodingError) {
    guard depth < maximumDepth else {
      throw invalid(value, "arrays and maps may be nested at most \(maximumDepth) deep")
    }
  }

  private func invalid(_ value: MessagePackValue, _ description: String) -> EncodingError {
    EncodingError.invalidValue(value, EncodingError.Context(codingPath: [], debugDescription: description))
  }
}
