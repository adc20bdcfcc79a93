/// The settings of journald.conf(5), as `systemd-analyze cat-config` prints all of its files.
struct JournaldSettings: Sendable {
  private var values: [String: String] = [:]

  /// Reads the text. The last value of a name counts; comments and section headers are skipped.
  init(_ text: [UInt8]) {
    for line in String(decoding: text, as: UTF8.self).split(whereSeparator: \.isNewline) {
      guard let equals = line.firstIndex(of: "="), !line.hasPrefix("#"), !line.hasPrefix(";") else {
        continue
      }
      let name = line[..<equals].split(separator: " ").first.map(String.init) ?? ""
      self.values[name] = line[line.index(after: equals)...].split(separator: " ").joined(separator: " ")
    }
  }

  /// The value of a setting; nil if it is not set, or is set to nothing, which restores journald's default.
  subscript(name: String) -> String? { self.values[name].flatMap { $0.isEmpty ? nil : $0 } }
}
