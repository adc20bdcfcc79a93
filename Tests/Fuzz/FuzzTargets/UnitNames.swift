@testable import Systemd

extension FuzzTarget {
  static let unitName = FuzzTarget(
    "unit-name",
    seeds: [
      "web", "web@1.service", "-.mount", "--now", "a b", "dev-disk-by\\x2duuid-a.device", "../x", "web\n",
      "w\u{e9}b",
      "-\u{301}.service", "\u{212a}.service", "web.service\0",
      String(repeating: "a", count: 248) + ".service",
    ],
    words: UnitType.allCases.map { ".\($0.rawValue)" } + [
      "@", "--", "-.", "\\x2d", "/", "*", "\u{301}", "\u{ff0e}",
    ]
  ) { input in
    let text = text(input)
    do {
      let unit = try UnitName(text)
      let bytes = Array(unit.name.utf8)
      try holdIsSafe(bytes, unit)
      try holdIsAsWritten(unit, text)
    } catch let error as UnitNameError {
      try holdIsPlain(error.description, "the error")
      try hold(error.description.utf8.count < 2000, "the error is long")
    }
  }

  private static let permitted = Set(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@".utf8)

  /// What reaches a command line has the characters that systemd permits, is no option, and is not completed or expanded.
  private static func holdIsSafe(_ bytes: [UInt8], _ unit: UnitName) throws {
    try hold(bytes.allSatisfy(permitted.contains), "\(unit) has a character that is not allowed")
    try hold((1...255).contains(bytes.count), "\(unit) has \(bytes.count) bytes")
    let hasType = UnitType.allCases.contains { bytes.ends(with: ".\($0.rawValue)") }
    try hold(hasType, "\(unit) has no type, and systemctl would give it one")
  }

  private static func holdIsAsWritten(_ unit: UnitName, _ text: String) throws {
    let bytes = Array(unit.name.utf8)
    let written = Array(text.utf8)
    try hold(
      bytes == written || bytes == written + ".service".utf8, "\(unit) is not what was written: \(text)")
    try hold(
      written.first != UInt8(ascii: "-") || bytes == written, "\(text) looks like an option and is taken")
    try hold((try? UnitName(unit.name)) == unit, "\(unit) is another unit when it is read again")
    let instance = unit.instance.map { "@\($0)" } ?? ""
    try hold(
      unit.name == "\(unit.prefix)\(instance).\(unit.type.rawValue)", "the parts of \(unit) are not the whole"
    )
    try hold(!unit.prefix.isEmpty && unit.instance != "", "\(unit) has an empty part")
  }
}

extension [UInt8] {
  fileprivate func ends(with text: String) -> Bool { self.suffix(text.utf8.count).elementsEqual(text.utf8) }
}
