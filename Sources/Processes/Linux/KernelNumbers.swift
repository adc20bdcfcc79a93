/// The numbers in a file of the kernel: a single one, one on each line, or each with a name before it.
package struct KernelNumbers {
  private let text: [UInt8]

  /// Takes the text of the file.
  package init(_ text: [UInt8]) { self.text = text }

  /// The number on the first line.
  package var first: UInt64? { Self.number(self.text.prefix { $0 != Self.lineEnd }) }

  /// The numbers of the lines that have nothing but a number.
  package var all: [UInt64] { self.text.split(separator: Self.lineEnd).compactMap(Self.number) }

  /// The number on the line that begins with a name and a space.
  package subscript(name: String) -> UInt64? {
    var name = name
    return name.withUTF8 { name in
      var rest = self.text[...]
      while !rest.isEmpty {
        if rest.starts(with: name), rest.dropFirst(name.count).first == UInt8(ascii: " ") {
          return Self.number(rest.dropFirst(name.count + 1).prefix { $0 != Self.lineEnd })
        }
        guard let end = rest.firstIndex(of: Self.lineEnd) else { break }
        rest = rest[(end + 1)...]
      }
      return nil
    }
  }

  private static let lineEnd = UInt8(ascii: "\n")

  /// The value of decimal digits; nil for anything else, and for a value that is too large.
  package static func number(_ digits: ArraySlice<UInt8>) -> UInt64? {
    guard !digits.isEmpty else { return nil }
    var number: UInt64 = 0
    for digit in digits {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
      let (tens, isTooLarge) = number.multipliedReportingOverflow(by: 10)
      let (sum, hasOverflowed) = tens.addingReportingOverflow(UInt64(digit - UInt8(ascii: "0")))
      guard !isTooLarge, !hasOverflowed else { return nil }
      number = sum
    }
    return number
  }
}
