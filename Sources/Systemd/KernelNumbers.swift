/// The text of one of the kernel's files with numbers: one alone, one a line, or each with a name before it.
struct KernelNumbers {
  private let lines: [ArraySlice<UInt8>]

  init(_ text: [UInt8]) { self.lines = text.split(separator: UInt8(ascii: "\n")) }

  /// The number on the first line.
  var first: UInt64? { self.lines.first.flatMap(Self.number) }

  /// The numbers of the lines that are nothing but one.
  var all: [UInt64] { self.lines.compactMap(Self.number) }

  /// The number on the line that begins with a name and a space.
  subscript(name: String) -> UInt64? {
    for line in self.lines {
      let rest = line.dropFirst(name.utf8.count)
      guard rest.first == UInt8(ascii: " "), line.starts(with: name.utf8) else { continue }
      return Self.number(rest.dropFirst())
    }
    return nil
  }

  private static func number(_ digits: ArraySlice<UInt8>) -> UInt64? {
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
