/// Reads JSON (RFC 8259) byte by byte, without making a tree of it.
///
/// It is for `journalctl -o json`: a general decoder is several times slower than journalctl.
struct JSONScanner {
  /// How deep arrays and objects may be nested in a value that is skipped.
  static let depthLimit = 32

  private let bytes: ArraySlice<UInt8>
  private var position: Int

  init(_ bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    self.position = bytes.startIndex
  }

  // MARK: Objects

  /// Reads the beginning of an object.
  mutating func beginObject() throws(JSONError) {
    try self.expect("{")
  }

  /// Reads the next key of an object and its colon; nil at the object's end.
  ///
  /// - Parameter isFirst: whether no key of the object has been read; is set to false.
  mutating func nextKey(isFirst: inout Bool) throws(JSONError) -> ArraySlice<UInt8>? {
    self.skipWhitespace()
    if self.take("}") { return nil }
    if !isFirst {
      try self.expect(",")
      self.skipWhitespace()
    }
    isFirst = false
    let key = try self.string()
    try self.expect(":")
    return key
  }

  /// Makes sure that nothing but white space is left.
  mutating func end() throws(JSONError) {
    self.skipWhitespace()
    if self.position != self.bytes.endIndex { throw self.error("something after the end of the object") }
  }

  // MARK: Values

  /// Reads a value in the forms that journalctl gives to fields: a string, an array of byte numbers, `null`,
  /// or an array of these for a field that the entry has several times. A value of another form counts as
  /// `null`.
  mutating func fieldValue() throws(JSONError) -> JournalFieldValue {
    self.skipWhitespace()
    switch self.peek {
    case UInt8(ascii: "\""):
      return .one(try self.string())
    case UInt8(ascii: "["):
      return try self.fieldArray()
    default:
      try self.skipValue()
      return .none
    }
  }

  private mutating func fieldArray() throws(JSONError) -> JournalFieldValue {
    try self.expect("[")
    self.skipWhitespace()
    if self.take("]") { return .one([]) }
    if let byte = self.peek, Self.isDigit(byte) {
      return .one(try self.restOfByteArray()[...])
    }
    var values: [ArraySlice<UInt8>] = []
    repeat {
      self.skipWhitespace()
      if self.peek == UInt8(ascii: "\"") {
        values.append(try self.string())
      } else if self.take("[") {
        self.skipWhitespace()
        values.append(self.take("]") ? [] : try self.restOfByteArray()[...])
      } else {
        try self.skipValue()
      }
      self.skipWhitespace()
    } while self.take(",")
    try self.expect("]")
    return .many(values)
  }

  /// Reads byte numbers and the end of their array.
  private mutating func restOfByteArray() throws(JSONError) -> [UInt8] {
    var result: [UInt8] = []
    repeat {
      self.skipWhitespace()
      var value = 0
      let start = self.position
      while let byte = self.peek, Self.isDigit(byte), self.position - start < 3 {
        value = value * 10 + Int(byte - UInt8(ascii: "0"))
        self.position += 1
      }
      guard self.position > start, let byte = UInt8(exactly: value),
        self.position - start == 1 || self.bytes[start] != 0x30
      else {
        throw self.error("not the number of a byte")
      }
      result.append(byte)
      self.skipWhitespace()
    } while self.take(",")
    try self.expect("]")
    return result
  }

  /// Reads any value and drops it.
  mutating func skipValue() throws(JSONError) {
    try self.skipValue(depth: 0)
  }

  private mutating func skipValue(depth: Int) throws(JSONError) {
    if depth > Self.depthLimit { throw self.error("nested too deeply") }
    self.skipWhitespace()
    switch self.peek {
    case UInt8(ascii: "\""):
      _ = try self.string()
    case UInt8(ascii: "{"):
      try self.beginObject()
      var isFirst = true
      while try self.nextKey(isFirst: &isFirst) != nil { try self.skipValue(depth: depth + 1) }
    case UInt8(ascii: "["):
      try self.expect("[")
      self.skipWhitespace()
      if self.take("]") { return }
      repeat {
        try self.skipValue(depth: depth + 1)
        self.skipWhitespace()
      } while self.take(",")
      try self.expect("]")
    case UInt8(ascii: "n"): try self.literal("null")
    case UInt8(ascii: "t"): try self.literal("true")
    case UInt8(ascii: "f"): try self.literal("false")
    default: try self.skipNumber()
    }
  }

  private mutating func literal(_ text: StaticString) throws(JSONError) {
    let count = text.utf8CodeUnitCount
    guard self.bytes.endIndex - self.position >= count,
      self.bytes[self.position..<(self.position + count)].elementsEqual(
        UnsafeBufferPointer(start: text.utf8Start, count: count))
    else { throw self.error("not a value") }
    self.position += count
  }

  private mutating func skipNumber() throws(JSONError) {
    _ = self.take("-")
    if !self.take("0") { try self.skipDigits() }
    if self.take(".") { try self.skipDigits() }
    if self.take("e") || self.take("E") {
      if !self.take("+") { _ = self.take("-") }
      try self.skipDigits()
    }
  }

  private mutating func skipDigits() throws(JSONError) {
    let start = self.position
    while let byte = self.peek, Self.isDigit(byte) { self.position += 1 }
    if self.position == start { throw self.error("not a value") }
  }

  // MARK: Strings

  /// Reads a string. One without escapes is a part of the input, bytes that are not UTF-8 included.
  private mutating func string() throws(JSONError) -> ArraySlice<UInt8> {
    try self.expect("\"")
    let start = self.position
    try self.skipPlain()
    if self.take("\"") { return self.bytes[start..<(self.position - 1)] }
    var result = Array(self.bytes[start..<self.position])
    while !self.take("\"") {
      let plain = self.position
      try self.skipPlain()
      result += self.bytes[plain..<self.position]
      if self.take("\\") { try self.appendEscaped(to: &result) }
    }
    return result[...]
  }

  /// Goes on to the next quotation mark or backslash.
  private mutating func skipPlain() throws(JSONError) {
    var index = self.position
    let end = self.bytes.endIndex
    while index < end {
      let byte = self.bytes[index]
      if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { break }
      if byte < 0x20 {
        self.position = index
        throw self.error("a control character in a string")
      }
      index += 1
    }
    self.position = index
    if index == end { throw self.error("the end of the line in a string") }
  }

  private mutating func appendEscaped(to result: inout [UInt8]) throws(JSONError) {
    guard let byte = self.peek else { throw self.error("the end of the line in a string") }
    self.position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): result.append(byte)
    case UInt8(ascii: "b"): result.append(0x08)
    case UInt8(ascii: "f"): result.append(0x0c)
    case UInt8(ascii: "n"): result.append(0x0a)
    case UInt8(ascii: "r"): result.append(0x0d)
    case UInt8(ascii: "t"): result.append(0x09)
    case UInt8(ascii: "u"):
      result += String(Character(try self.unicodeScalar())).utf8
    default:
      self.position -= 1
      throw self.error("an unknown escape")
    }
  }

  /// Reads what follows `\u`. Half of a surrogate pair becomes U+FFFD.
  private mutating func unicodeScalar() throws(JSONError) -> Unicode.Scalar {
    let unit = try self.hexadecimal()
    if let scalar = Unicode.Scalar(unit) { return scalar }
    let rest = self.position
    if unit < 0xdc00, self.take("\\"), self.take("u") {
      let low = try self.hexadecimal()
      if (0xdc00...0xdfff).contains(low),
        let scalar = Unicode.Scalar(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00))
      {
        return scalar
      }
    }
    self.position = rest
    return "\u{fffd}"
  }

  private mutating func hexadecimal() throws(JSONError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      let digit: UInt8? =
        switch self.peek {
        case .some(let byte) where Self.isDigit(byte): byte - UInt8(ascii: "0")
        case .some(let byte) where (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20):
          (byte | 0x20) - UInt8(ascii: "a") + 10
        default: nil
        }
      guard let digit else { throw self.error("not a hexadecimal digit") }
      value = value << 4 | UInt32(digit)
      self.position += 1
    }
    return value
  }

  // MARK: Bytes

  private var peek: UInt8? { self.position < self.bytes.endIndex ? self.bytes[self.position] : nil }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard self.position < self.bytes.endIndex, self.bytes[self.position] == UInt8(ascii: character) else {
      return false
    }
    self.position += 1
    return true
  }

  private mutating func expect(_ character: Unicode.Scalar) throws(JSONError) {
    self.skipWhitespace()
    if !self.take(character) { throw self.error("\(character) is missing") }
  }

  private mutating func skipWhitespace() {
    while self.position < self.bytes.endIndex {
      switch self.bytes[self.position] {
      case 0x20, 0x09, 0x0a, 0x0d: self.position += 1
      default: return
      }
    }
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

  private func error(_ problem: String) -> JSONError {
    JSONError(offset: self.position - self.bytes.startIndex, problem: problem)
  }
}
