/// The fields of `/proc/PID/stat`, by their numbers in proc_pid_stat(5).
struct ProcessStat {
  private let fields: [ArraySlice<UInt8>]

  /// The number of the first field after the name, which stands in parentheses and can hold anything.
  private static let first = 3

  /// Reads the text, up to the last field that is needed; `nil` if it is something else.
  init?(_ text: [UInt8], upTo last: Int) {
    guard let nameEnd = text.lastIndex(of: UInt8(ascii: ")")) else { return nil }
    self.fields = text[(nameEnd + 1)...].split(separator: UInt8(ascii: " "), maxSplits: last - Self.first + 1)
  }

  /// A field as a number.
  func number<Number: FixedWidthInteger>(_ field: Int) -> Number? {
    let index = field - Self.first
    return self.fields.indices.contains(index)
      ? Number(String(decoding: self.fields[index], as: UTF8.self)) : nil
  }
}
