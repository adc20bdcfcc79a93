import Foundation
import Logging
import Testing

@testable import GoPlugin

@Suite struct HCLogLineTests {
  /// The line as JSONSerialization reads it, after checks that every line must pass.
  func decode(_ line: HCLogLine) throws -> [String: Any] {
    #expect(line.bytes.count <= HCLogLine.maximumLength)
    #expect(line.bytes.last == UInt8(ascii: "\n"))
    #expect(line.bytes.dropLast().allSatisfy { $0 >= 0x20 && $0 != 0x7f })
    #expect(String(validating: line.bytes, as: UTF8.self) != nil)
    let object = try JSONSerialization.jsonObject(with: Data(line.bytes))
    return try #require(object as? [String: Any])
  }

  @Test func hasTheFieldsThatAHostReads() throws {
    let line = HCLogLine(
      level: .info, module: "driver", message: "started", metadata: ["unit": "a.service"],
      time: timespec(tv_sec: 1_700_000_000, tv_nsec: 1_234_999))
    let expected =
      #"{"@level":"info","@message":"started","@module":"driver","@timestamp":"2023-11-14T22:13:20.001234Z","#
      + #""unit":"a.service"}"# + "\n"
    #expect(String(decoding: line.bytes, as: UTF8.self) == expected)
  }

  @Test(arguments: [
    (Logger.Level.trace, "trace"), (.debug, "debug"), (.info, "info"), (.notice, "info"), (.warning, "warn"),
    (.error, "error"), (.critical, "error"),
  ])
  func levelsAreThoseOfHclog(level: Logger.Level, name: String) throws {
    #expect(try self.decode(HCLogLine(level: level, module: "", message: ""))["@level"] as? String == name)
  }

  @Test(arguments: [
    "", "plain", "\"quoted\" \\ back/slash", "tab\tnew\nline\r\n", "\u{0}\u{1}\u{1f}\u{7f}\u{80}\u{9b}31m",
    "🚀 ünïcödé \u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467} \u{2028}\u{2029} \u{FEFF}\u{FFFF}",
    "</script>{}[]:,", String(decoding: [0x61, 0xff, 0xfe, 0xc3], as: UTF8.self),
  ])
  func anyTextComesThrough(text: String) throws {
    let line = HCLogLine(
      level: .error, module: text, message: text, metadata: [text + "k": .array([.string(text)])])
    let fields = try self.decode(line)
    #expect(fields["@message"] as? String == text)
    #expect(fields["@module"] as? String == text)
    #expect(fields[text + "k"] as? [String] == [text])
  }

  @Test func valuesKeepTheirTypes() throws {
    let line = HCLogLine(
      level: .info, module: "", message: "",
      metadata: [
        "integer": .stringConvertible(-42), "large": .stringConvertible(UInt64.max),
        "double": .stringConvertible(1.5), "infinite": .stringConvertible(Double.infinity),
        "flag": .stringConvertible(true), "other": .stringConvertible(UnixPath("/a")),
        "nested": ["list": ["a", .stringConvertible(1), ["deep": "x"]], "empty": [:], "none": .array([])],
      ])
    let fields = try self.decode(line)
    #expect(fields["integer"] as? Int == -42)
    #expect(fields["large"] as? UInt64 == .max)
    #expect(fields["double"] as? Double == 1.5)
    #expect(fields["infinite"] as? String == "inf")
    #expect(fields["flag"] as? Bool == true)
    #expect(fields["other"] as? String == "path /a")
    let nested = try #require(fields["nested"] as? [String: Any])
    let list = try #require(nested["list"] as? [Any])
    #expect(list.count == 3)
    #expect((list[2] as? [String: String]) == ["deep": "x"])
    #expect((nested["empty"] as? [String: Any])?.isEmpty == true)
    #expect((nested["none"] as? [Any])?.isEmpty == true)
  }

  @Test func keysOfTheHostAreNotOverwritten() throws {
    let line = HCLogLine(
      level: .info, module: "m", message: "true one",
      metadata: ["@message": "a", "_@message": "b", "@level": .stringConvertible(3)])
    let fields = try self.decode(line)
    #expect(fields["@message"] as? String == "true one")
    #expect(fields["@level"] as? String == "info")
    #expect(fields["_@message"] as? String == "b")
    #expect(fields["__@message"] as? String == "a")
    #expect(fields["_@level"] as? Int == 3)
  }

  @Test(arguments: ["x", "\u{1}", "€", "🚀"])
  func longTextIsCutWithAMark(character: String) throws {
    let text = String(repeating: character, count: 1_000_000)
    let message = try #require(
      try self.decode(HCLogLine(level: .info, module: "m", message: text))["@message"] as? String)
    let (kept, mark) = try #require(message.firstIndex(of: "…").map { (message[..<$0], message[$0...]) })
    #expect(!kept.isEmpty)
    #expect(text.hasPrefix(kept))
    #expect(mark == "… (\(text.utf8.count - kept.utf8.count) bytes cut)")
  }

  @Test func textThatJustFitsIsNotCut() throws {
    for count in 8150...8200 {
      let text = String(repeating: "x", count: count)
      let fields = try self.decode(
        HCLogLine(level: .info, module: "", message: "", metadata: ["k": .string(text)]))
      #expect((fields["k"] as? String == text) == (count <= 8192))
    }
  }

  @Test func whatHasNoRoomIsCounted() throws {
    let long = Logger.MetadataValue.string(String(repeating: "\u{2}", count: 5000))
    var metadata = Logger.Metadata()
    for index in 0..<1000 { metadata["key\(index)" + String(repeating: "k", count: 500)] = long }
    let fields = try self.decode(
      HCLogLine(
        level: .info, module: "m", message: String(repeating: "é", count: 100_000), metadata: metadata))
    let omitted = try #require(fields["@omitted"] as? Int)
    #expect(omitted > 0)
    // Four fields are the line's own, and one says how many are missing.
    #expect(fields.count - 5 + omitted == 1000)
  }

  @Test func nestedValuesHaveLimitsToo() throws {
    var deep = Logger.MetadataValue.string("bottom")
    for _ in 0..<10_000 { deep = .array([deep]) }
    let wide = Logger.MetadataValue.array(Array(repeating: "0123456789", count: 100_000))
    let fields = Logger.Metadata(uniqueKeysWithValues: (0..<100_000).map { ("key \($0)", "value") })
    for value in [deep, wide, .dictionary(fields), .array([.array([.dictionary(["a": .array([wide])])])])] {
      let metadata = ["a": value, "b": value, "c": value]
      _ = try self.decode(HCLogLine(level: .info, module: "m", message: "", metadata: metadata))
    }
  }
}

private struct UnixPath: CustomStringConvertible, Sendable {
  let path: String

  init(_ path: String) { self.path = path }

  var description: String { "path \(self.path)" }
}
