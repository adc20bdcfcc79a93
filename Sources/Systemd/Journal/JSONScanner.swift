/// Reads JSON (RFC 8259) byte by byte, without making a tree of it.
///
/// It exists for `journalctl -o json`: a general decoder is several times slower than journalctl is.
struct JSONScanner {
  /// How deep arrays and objects may be nested in a value that is passed over.
  static let depthLimit = 32

  private let bytes: ArraySlice<UInt8>
  private var position: Int

  init(_ bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    position = bytes.startIndex
  }

  // MARK: Objects

  /// Reads the beginning of an object.
  mutating func beginObject() throws(JSONError) {
    try expect("{")
  }

  /// Reads the next key of an object and its colon; `nil` at the object's end.
  ///
  /// - Parameter isFirst: whether no key of the object was read so far; is cleared.
  mutating func nextKey(isFirst: inout Bool) throws(JSONError) -> ArraySlice<UInt8>? {
    skipWhitespace()
    if take("}") { return nil }
    if !isFirst {
      try expect(",")
      skipWhitespace()
    }
    isFirst = false
    let key = try string()
    try expect(":")
    return key
  }

  /// Makes sure that nothing but white space is left.
  mutating func end() throws(JSONError) {
    skipWhitespace()
    if position != bytes.endIndex { throw error("something after the end of the object") }
  }

  // MARK: Values

  /// Reads a value in the forms that journalctl gives to fields: a string, an array of byte numbers, `null`, or an
  /// array of these for a field that the entry has several times. A value of another form counts as `null`.
  mutating func fieldValue() throws(JSONError) -> JournalFieldValue {
    skipWhitespace()
    switch peek {
    case UInt8(ascii: "\""):
      return .one(try string())
    case UInt8(ascii: "["):
      return try fieldArray()
    default:
      try skipValue()
      return .none
    }
  }

  private mutating func fieldArray() throws(JSONError) -> JournalFieldValue {
    try expect("[")
    skipWhitespace()
    if take("]") { return .one([]) }
    if let byte = peek, Self.isDigit(byte) {
      return .one(try restOfByteArray()[...])
    }
    var values: [ArraySlice<UInt8>] = []
    repeat {
      skipWhitespace()
      if peek == UInt8(ascii: "\"") {
        values.append(try string())
      } else if take("[") {
        skipWhitespace()
        values.append(take("]") ? [] : try restOfByteArray()[...])
      } else {
        try skipValue()
      }
      skipWhitespace()
    } while take(",")
    try expect("]")
    return .many(values)
  }

  /// Reads byte numbers and the end of their array.
  private mutating func restOfByteArray() throws(JSONError) -> [UInt8] {
    var result: [UInt8] = []
    repeat {
      skipWhitespace()
      var value = 0
      let start = position
      while let byte = peek, Self.isDigit(byte), position - start < 3 {
        value = value * 10 + Int(byte - UInt8(ascii: "0"))
        position += 1
      }
      guard position > start, let byte = UInt8(exactly: value), position - start == 1 || bytes[start] != 0x30
      else {
        throw error("not the number of a byte")
      }
      result.append(byte)
      skipWhitespace()
    } while take(",")
    try expect("]")
    return result
  }

  /// Reads any value and drops it.
  mutating func skipValue() throws(JSONError) {
    try skipValue(depth: 0)
  }

  private mutating func skipValue(depth: Int) throws(JSONError) {
    if depth > Self.depthLimit { throw error("nested too deeply") }
    skipWhitespace()
    switch peek {
    case UInt8(ascii: "\""):
      _ = try string()
    case UInt8(ascii: "{"):
      try beginObject()
      var isFirst = true
      while try nextKey(isFirst: &isFirst) != nil { try skipValue(depth: depth + 1) }
    case UInt8(ascii: "["):
      try expect("[")
      skipWhitespace()
      if take("]") { return }
      repeat {
        try skipValue(depth: depth + 1)
        skipWhitespace()
      } while take(",")
      try expect("]")
    case UInt8(ascii: "n"): try literal("null")
    case UInt8(ascii: "t"): try literal("true")
    case UInt8(ascii: "f"): try literal("false")
    default: try skipNumber()
    }
  }

  private mutating func literal(_ text: StaticString) throws(JSONError) {
    let count = text.utf8CodeUnitCount
    guard bytes.endIndex - position >= count,
      bytes[position..<(position + count)].elementsEqual(
        UnsafeBufferPointer(start: text.utf8Start, count: count))
    else { throw error("not a value") }
    position += count
  }

  private mutating func skipNumber() throws(JSONError) {
    _ = take("-")
    if !take("0") { try skipDigits() }
    if take(".") { try skipDigits() }
    if take("e") || take("E") {
      if !take("+") { _ = take("-") }
      try skipDigits()
    }
  }

  private mutating func skipDigits() throws(JSONError) {
    let start = position
    while let byte = peek, Self.isDigit(byte) { position += 1 }
    if position == start { throw error("not a value") }
  }

  // MARK: Strings

  /// Reads a string. One without escapes is a part of the input, bytes that are not UTF-8 included.
  private mutating func string() throws(JSONError) -> ArraySlice<UInt8> {
    try expect("\"")
    let start = position
    try skipPlain()
    if take("\"") { return bytes[start..<(position - 1)] }
    var result = Array(bytes[start..<position])
    while !take("\"") {
      let plain = position
      try skipPlain()
      result += bytes[plain..<position]
      if take("\\") { try appendEscaped(to: &result) }
    }
    return result[...]
  }

  /// Goes on to the next quotation mark or backslash.
  private mutating func skipPlain() throws(JSONError) {
    var index = position
    let end = bytes.endIndex
    while index < end {
      let byte = bytes[index]
      if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { break }
      if byte < 0x20 {
        position = index
        throw error("a control character in a string")
      }
      index += 1
    }
    position = index
    if index == end { throw error("the end of the line in a string") }
  }

  private mutating func appendEscaped(to result: inout [UInt8]) throws(JSONError) {
    guard let byte = peek else { throw error("the end of the line in a string") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): result.append(byte)
    case UInt8(ascii: "b"): result.append(0x08)
    case UInt8(ascii: "f"): result.append(0x0c)
    case UInt8(ascii: "n"): result.append(0x0a)
    case UInt8(ascii: "r"): result.append(0x0d)
    case UInt8(ascii: "t"): result.append(0x09)
    case UInt8(ascii: "u"):
      result += String(Character(try unicodeScalar())).utf8
    default:
      position -= 1
      throw error("an unknown escape")
    }
  }

  /// Reads what follows `\u`. Half of a surrogate pair becomes U+FFFD.
  private mutating func unicodeScalar() throws(JSONError) -> Unicode.Scalar {
    let unit = try hexadecimal()
    if let scalar = Unicode.Scalar(unit) { return scalar }
    let rest = position
    if unit < 0xdc00, take("\\"), take("u") {
      let low = try hexadecimal()
      if (0xdc00...0xdfff).contains(low),
        let scalar = Unicode.Scalar(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00))
      {
        return scalar
      }
    }
    position = rest
    return "\u{fffd}"
  }

  private mutating func hexadecimal() throws(JSONError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      let digit: UInt8? =
        switch peek {
        case .some(let byte) where Self.isDigit(byte): byte - UInt8(ascii: "0")
        case .some(let byte) where (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20):
          (byte | 0x20) - UInt8(ascii: "a") + 10
        default: nil
        }
      guard let digit else { throw error("not a hexadecimal digit") }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }

  // MARK: Bytes

  private var peek: UInt8? { position < bytes.endIndex ? bytes[position] : nil }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard position < bytes.endIndex, bytes[position] == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ character: Unicode.Scalar) throws(JSONError) {
    skipWhitespace()
    if !take(character) { throw error("no \(character) where one must be") }
  }

  private mutating func skipWhitespace() {
    while position < bytes.endIndex {
      switch bytes[position] {
      case 0x20, 0x09, 0x0a, 0x0d: position += 1
      default: return
      }
    }
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

  private func error(_ problem: String) -> JSONError {
    JSONError(offset: position - bytes.startIndex, problem: problem)
  }
}

/// Where and how a text is not JSON of the expected form.
struct JSONError: Error, Hashable, CustomStringConvertible {
  /// The number of bytes before the problem.
  let offset: Int

  let problem: String

  var description: String { "\(problem), at byte \(offset)" }
}

/// The value of a field of a journal entry.
enum JournalFieldValue {
  /// No value, or one too large for journalctl to print.
  case none

  case one(ArraySlice<UInt8>)

  /// The values of a field that the entry has several times.
  case many([ArraySlice<UInt8>])

  /// The only or first value.
  var first: ArraySlice<UInt8>? {
    switch self {
    case .none: nil
    case .one(let value): value
    case .many(let values): values.first
    }
  }

  /// The only or first value as text; bytes that are not UTF-8 are replaced.
  var text: String? { first.map { String(decoding: $0, as: UTF8.self) } }

  /// The only or first value as a decimal number.
  func number<Number: FixedWidthInteger>() -> Number? {
    guard let first, !first.isEmpty else { return nil }
    var number: Number = 0
    for byte in first {
      guard (0x30...0x39).contains(byte) else { return nil }
      let (product, isTooLarge) = number.multipliedReportingOverflow(by: 10)
      let (sum, isSumTooLarge) = product.addingReportingOverflow(Number(byte - 0x30))
      if isTooLarge || isSumTooLarge { return nil }
      number = sum
    }
    return number
  }

  /// All values, with a line feed between them; nil if there is none.
  var joined: [UInt8]? {
    switch self {
    case .none: nil
    case .one(let value): Array(value)
    case .many(let values): Array(values.joined(separator: CollectionOfOne(UInt8(ascii: "\n"))))
    }
  }
}
