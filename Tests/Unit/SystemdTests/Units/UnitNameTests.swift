import TestHelpers
import Testing

@testable import Systemd

@Suite struct UnitNameTests {
  @Test(
    arguments: [
      ("web", "web.service", UnitType.service, "web", nil),
      ("web.service", "web.service", .service, "web", nil),
      ("foo.bar", "foo.bar.service", .service, "foo.bar", nil),
      ("foo.bar.timer", "foo.bar.timer", .timer, "foo.bar", nil),
      ("web@1", "web@1.service", .service, "web", "1"),
      ("web@a@b.service", "web@a@b.service", .service, "web", "a@b"),
      ("web@@x.socket", "web@@x.socket", .socket, "web", "@x"),
      ("web@10.0.0.1.service", "web@10.0.0.1.service", .service, "web", "10.0.0.1"),
      ("-.mount", "-.mount", .mount, "-", nil),
      ("-.slice", "-.slice", .slice, "-", nil),
      ("--now.service", "--now.service", .service, "--now", nil),
      (
        "dev-disk-by\\x2duuid-a.device", "dev-disk-by\\x2duuid-a.device", .device, "dev-disk-by\\x2duuid-a",
        nil
      ),
      ("A:z_0-9.automount", "A:z_0-9.automount", .automount, "A:z_0-9", nil),
      (".service.service", ".service.service", .service, ".service", nil),
      ("web.Service", "web.Service.service", .service, "web.Service", nil),
      ("web.service.", "web.service..service", .service, "web.service.", nil),
    ] as [(String, String, UnitType, String, String?)])
  func takes(text: String, name: String, type: UnitType, prefix: String, instance: String?) throws {
    let unit = try UnitName(text)
    #expect(unit.name == name)
    #expect(unit.description == name)
    #expect(unit.type == type)
    #expect(unit.prefix == prefix)
    #expect(unit.instance == instance)
    #expect(unit.isTemplateInstance == (instance != nil))
  }

  @Test(
    arguments: [
      ("", .empty), ("/etc", .path), ("a/b.mount", .path), ("../x", .path), ("*", .pattern),
      ("web?.service", .pattern),
      ("web[12]", .pattern), ("--now", .option), ("-H", .option), ("-", .option), ("--", .option),
      ("-.txt", .option),
      ("web@.service", .template), ("web@", .template), (".service", .noPrefix), ("@1.service", .noPrefix),
      ("@", .noPrefix), ("a b", .character(" ")), ("web\n", .character("\n")),
      ("web\0.service", .character("\0")),
      ("wéb", .character("é")), ("web\u{1b}[31m", .character("\u{1b}")), ("--host=x", .character("=")),
      ("a;b", .character(";")), ("a!b", .character("!")), ("a\tb", .character("\t")),
      ("$(x)", .character("$")),
      ("\u{ff0e}service", .character("\u{ff0e}")),
      // To Swift these are the Characters of other names, or equal to them; systemd compares bytes.
      ("-\u{301}.service", .character("\u{301}")), ("web.\u{301}service", .character("\u{301}")),
      ("\u{212a}.service", .character("\u{212a}")), ("a/\u{301}b.mount", .path),
      ("*\u{301}.service", .pattern),
      ("\u{301}web", .character("\u{301}")), ("web\u{200b}.service", .character("\u{200b}")),
      ("\u{202e}bew.service", .character("\u{202e}")), ("\u{430}pache.service", .character("\u{430}")),
      ("web\u{2011}1", .character("\u{2011}")), ("web\r\n", .character("\r")),
      ("web%i.service", .character("%")),
      ("~/web.mount", .character("~")), ("web.service,db.service", .character(",")),
      ("\u{feff}web", .character("\u{feff}")),
    ] as [(String, UnitNameError.Reason)])
  func refuses(text: String, reason: UnitNameError.Reason) {
    #expect(throws: UnitNameError(text: text, reason: reason)) { try UnitName(text) }
  }

  @Test func lengthIsLimitedWithTheSuffix() throws {
    let longest = String(repeating: "a", count: 255 - 8)
    #expect(try UnitName(longest).name.utf8.count == 255)
    #expect(try UnitName(longest + ".service").name.utf8.count == 255)
    #expect(throws: UnitNameError(text: longest + "a", reason: .tooLong)) { try UnitName(longest + "a") }
    #expect(throws: UnitNameError.self) { try UnitName(String(repeating: "a", count: 10_000_000)) }
  }

  @Test func everyTypeIsASuffix() throws {
    #expect(UnitType.allCases.count == 11)
    for type in UnitType.allCases { #expect(try UnitName("x.\(type.rawValue)").type == type) }
  }

  @Test func errorsSayWhatToWrite() {
    #expect(
      UnitNameError(text: "web@.service", reason: .template).description
        == "\"web@.service\" is not the name of a unit: it is a template without an instance; "
        + "write the instance after the @ (web@1.service)")
    #expect(
      UnitNameError(text: "a b", reason: .character(" ")).description
        == "\"a b\" is not the name of a unit: a space is not allowed, only ASCII letters, digits and :-_.\\@; "
        + "`systemd-escape` encodes others")
    #expect(UnitNameError(text: "", reason: .empty).description.hasPrefix("the name of the unit is empty"))
    let hostile = UnitNameError(
      text: "\u{1b}]\n" + String(repeating: "x", count: 1000), reason: .character("\u{1b}"))
    #expect(hostile.description.count < 300)
    #expect(!hostile.description.unicodeScalars.contains { $0.properties.generalCategory == .control })
  }

  /// systemd's rules, written once more in another way.
  private static func isValid(_ name: String) -> Bool {
    guard let dot = name.lastIndex(of: "."),
      UnitType(rawValue: String(name[name.index(after: dot)...])) != nil
    else {
      return false
    }
    return name.utf8.count < 256
      && name[..<dot].wholeMatch(of: /[A-Za-z0-9:_.\\-]+(@[@A-Za-z0-9:_.\\-]+)?/) != nil
  }

  @Test func generatedNamesAreJudgedAsSystemdDoes() {
    var random = SeededGenerator(seed: 2)
    let pieces = [
      "a", "Z", "0", "-", "_", ":", "\\", ".", "@", ".service", ".mount", ".x", " ", "é", "*", "/", "\0",
    ]
    for _ in 0..<20_000 {
      let text = (0..<Int.random(in: 0...6, using: &random)).map { _ in
        pieces.randomElement(using: &random) ?? ""
      }
      .joined()
      let unit = try? UnitName(text)
      if let unit {
        #expect(Self.isValid(unit.name))
        #expect(unit.name == text || unit.name == text + ".service")
        #expect((try? UnitName(unit.name)) == unit)
        #expect(unit.name == unit.prefix + (unit.instance.map { "@" + $0 } ?? "") + ".\(unit.type.rawValue)")
      } else if Self.isValid(text) {
        Issue.record("\(text) is refused")
      }
    }
  }
}
