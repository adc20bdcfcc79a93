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
  var text: String? { self.first.map { String(decoding: $0, as: UTF8.self) } }

  /// The only or first value as a decimal number.
  func number<Number: FixedWidthInteger>() -> Number? {
    guard let first = self.first, !first.isEmpty else { return nil }
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
