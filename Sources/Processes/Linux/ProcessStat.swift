/// The fields of `/proc/PID/stat`, by their numbers in proc_pid_stat(5).
package struct ProcessStat {
  /// The fields after the name, which is in parentheses and can contain anything.
  private let fields: ArraySlice<UInt8>

  private static let first = 3
  private static let space = UInt8(ascii: " ")

  /// Takes the text; nil if it has another form.
  package init?(_ text: [UInt8]) {
    guard let nameEnd = text.lastIndex(of: UInt8(ascii: ")")) else { return nil }
    self.fields = text[(nameEnd + 1)...].drop { $0 == Self.space }
  }

  /// Whether the process has ended, though threads of it may run on: it has no memory then.
  package var isZombie: Bool { self.fields.first == UInt8(ascii: "Z") }

  /// A field as a number; nil if it is not a number, or negative.
  package func number(_ field: Int) -> UInt64? {
    guard field >= Self.first else { return nil }
    var rest = self.fields
    for _ in Self.first..<field {
      guard let end = rest.firstIndex(of: Self.space) else { return nil }
      rest = rest[(end + 1)...]
    }
    return KernelNumbers.number(rest.prefix { $0 != Self.space })
  }
}
