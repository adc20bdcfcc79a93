/// The `Name=value` lines that `systemctl show` prints.
package enum UnitProperties {
  /// Reads the output: a block of lines for each unit, with an empty line between them.
  ///
  /// If a block has a name several times, the first value counts. Lines without `=` are skipped; bytes that
  /// are not UTF-8 are replaced.
  ///
  /// - Returns: the properties of each unit, in order; a block without properties is left out.
  package static func parse(_ output: [UInt8]) -> [[String: String]] {
    var units: [[String: String]] = []
    var properties: [String: String] = [:]
    func endBlock() {
      if !properties.isEmpty { units.append(properties) }
      properties = [:]
    }
    // By bytes: a value can end in a carriage return, which together with the line feed is one Character.
    for line in output.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      if line.isEmpty {
        endBlock()
      } else if let equals = line.firstIndex(of: UInt8(ascii: "=")) {
        let name = String(decoding: line[..<equals], as: UTF8.self)
        if properties[name] == nil {
          properties[name] = String(decoding: line[(equals + 1)...], as: UTF8.self)
        }
      }
    }
    endBlock()
    return units
  }
}
