import Foundation
import TestHelpers
import Testing

@testable import Systemd

@Suite struct JournalEntryTests {
  private static let cursor =
    "s=fe68117423de4f679fcab6fb0d410c25;i=6f;b=abb5a85cf15a4e74a6f2e4f833a16c16;m=5aa7e0d1;t=660e09a3a4df6;x=a241af9e9ab2110f"
  private static let bootID = "abb5a85cf15a4e74a6f2e4f833a16c16"

  private static func line(_ fields: String) -> ArraySlice<UInt8> {
    let common =
      "{\"__MONOTONIC_TIMESTAMP\":\"1520951505\",\"_BOOT_ID\":\"\(self.bootID)\",\"__CURSOR\":\"\(self.cursor)\","
      + "\"__REALTIME_TIMESTAMP\":\"1795367636717046\""
    return Array((common + (fields.isEmpty ? "" : ",") + fields + "}").utf8)[...]
  }

  private static func message(_ value: String) throws -> [UInt8] {
    try JournalEntry(json: self.line("\"MESSAGE\":\(value)")).message
  }

  @Test func readsALineOfAService() throws {
    let entry = try JournalEntry(
      json: Self.line(
        """
        "PRIORITY":"6","MESSAGE":"hello \\"world\\"","_PID":"78","SYSLOG_IDENTIFIER":"web","_SYSTEMD_UNIT":"web.service",\
        "_SYSTEMD_INVOCATION_ID":"ec15","_STREAM_ID":"aa","OTHER":{"a":[1,-2.5e3,true,false,null,"x",{}]}
        """))
    #expect(entry.cursor.text == Self.cursor)
    #expect(entry.realtime.microseconds == 1_795_367_636_717_046)
    #expect(entry.monotonicMicroseconds == 1_520_951_505)
    #expect(entry.bootID == Self.bootID)
    #expect(entry.message == Array("hello \"world\"".utf8))
    #expect(entry.priority == 6 && entry.processID == 78 && entry.identifier == "web")
    #expect(entry.unit == "web.service" && entry.invocationID == "ec15" && entry.streamID == "aa")
    #expect(entry.subjectUnit == nil && !entry.isLifecycle)
  }

  @Test func readsALifecycleEntry() throws {
    let fields = """
      "UNIT":"web.service","MESSAGE_ID":"39f5","JOB_RESULT":"done","INVOCATION_ID":"ec15","_SYSTEMD_UNIT":"init.scope"
      """
    let entry = try JournalEntry(json: Self.line(fields + ",\"_PID\":\"1\""))
    #expect(entry.isLifecycle && entry.subjectUnit == "web.service" && entry.subjectInvocationID == "ec15")
    #expect(entry.messageID == "39f5" && entry.jobResult == "done")
    // A service may claim anything about a unit, but not the manager's process ID.
    #expect(try !JournalEntry(json: Self.line(fields + ",\"_PID\":\"78\"")).isLifecycle)
    #expect(try !JournalEntry(json: Self.line("\"_PID\":\"1\"")).isLifecycle)
  }

  @Test func onlyJournaldSaysThatItDropsLines() throws {
    let fields = #""MESSAGE":"Suppressed 5","MESSAGE_ID":"a596d6fe7bfa4994828e72309e95d61e""#
    let entry = try JournalEntry(json: Self.line(fields + #","_TRANSPORT":"driver""#))
    #expect(entry.isSuppression && entry.isAboutUnit)
    for transport in ["", #","_TRANSPORT":"journal""#] {
      let entry = try JournalEntry(json: Self.line(fields + transport))
      #expect(!entry.isSuppression && !entry.isAboutUnit)
    }
  }

  @Test func readsEveryFormOfAMessage() throws {
    #expect(try JournalEntry(json: Self.line("")).message == [])
    #expect(try Self.message("null") == [])
    #expect(try Self.message("\"\"") == [])
    #expect(try Self.message("[]") == [])
    #expect(try Self.message("[ 72 , 0,255 ]") == [72, 0, 255])
    #expect(
      try Self.message("[\"a\",[98,255],null,[],\"c\"]") == Array("a\nb".utf8) + [255] + Array("\n\nc".utf8))
    #expect(
      try Self.message("\"\\u0000\\u001b\\u00e9\\u20AC\\ud83d\\ude00\\/\\b\\f\\n\\r\\t\\\\\"")
        == Array("\0\u{1b}é€😀/\u{8}\u{c}\n\r\t\\".utf8))
    #expect(try Self.message("\"\\ud83dx\\ude00\\ud83d\\u0041\"") == Array("\u{fffd}x\u{fffd}\u{fffd}A".utf8))
    #expect(try Self.message("12.5") == [])
    #expect(try Self.message("{\"a\":\"b\"}") == [])
  }

  @Test func takesTheFirstOfRepeatedFieldsAndOnlyValidNumbers() throws {
    let entry = try JournalEntry(
      json: Self.line(
        """
        "PRIORITY":["3","7"],"_PID":"-1","SYSLOG_IDENTIFIER":[["a"],"b"]
        """.replacingOccurrences(of: "[\"a\"]", with: "[97,255]")))
    #expect(entry.priority == 3 && entry.processID == nil && entry.identifier == "a\u{fffd}")
    #expect(try JournalEntry(json: Self.line("\"PRIORITY\":\"8\"")).priority == nil)
    #expect(
      try JournalEntry(json: Self.line("\"PRIORITY\":\"300\",\"_PID\":\"99999999999\"")).processID == nil)
  }

  @Test(arguments: [
    "", "{", "}", "[]", "null", "x", "{}x", "{\"a\":}", "{\"a\":1,}", "{,}", "{\"a\" 1}", "{a:1}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":01}", "{\"a\":+1}", "{\"a\":1.}", "{\"a\":.5}", "{\"a\":1e}", "{\"a\":tru}", "{\"a\":nulll}",
    "{\"MESSAGE\":[256]}", "{\"MESSAGE\":[-1]}", "{\"MESSAGE\":[1.5]}", "{\"MESSAGE\":[1,]}",
    "{\"MESSAGE\":[01]}",
    "{\"MESSAGE\":[1,\"a\"]}", "{\"MESSAGE\":[[1}", "{\"MESSAGE\":\"\\x\"}", "{\"MESSAGE\":\"\\u12g4\"}",
    "{\"MESSAGE\":\"\\u12\"}", "{\"MESSAGE\":\"a\tb\"}", "{\"MESSAGE\":\"a", "{\"MESSAGE\":\"\\",
    "{\"a\":\"b\"}",
    "{\"a\":" + String(repeating: "[", count: 100_000), "-- No entries --", "\u{feff}{}",
  ])
  func refusesOtherLines(text: String) {
    #expect(throws: JournalEntryError.self) { try JournalEntry(json: Array(text.utf8)[...]) }
  }

  @Test(arguments: ["__CURSOR", "__REALTIME_TIMESTAMP", "__MONOTONIC_TIMESTAMP", "_BOOT_ID"])
  func refusesALineWithoutAnAddress(field: String) {
    let text = String(decoding: Self.line(""), as: UTF8.self)
    for replacement in ["_X", field] {
      let line = text.replacingOccurrences(
        of: "\"\(field)\":\"", with: "\"\(replacement)\":\(replacement == field ? "null,\"x\":\"" : "\"")")
      #expect(throws: JournalEntryError.self) { try JournalEntry(json: Array(line.utf8)[...]) }
    }
  }

  @Test func errorsShowTheBeginningOfTheLine() {
    #expect(
      throws: JournalEntryError(
        line: Array("-- No\u{7} entries --".utf8)[...], problem: "{ is missing, at byte 0")
    ) {
      try JournalEntry(json: Array("-- No\u{7} entries --".utf8)[...])
    }
  }

  // MARK: Foundation as the judge

  /// A value of a field in one of journalctl's forms, and with one of the spellings that JSON allows.
  private static func spell(_ bytes: [UInt8], _ random: inout SeededGenerator) -> String {
    guard let text = String(validating: bytes, as: UTF8.self), Bool.random(using: &random) else {
      return "[" + bytes.map { "\($0)" }.joined(separator: Bool.random(using: &random) ? "," : " , ") + "]"
    }
    let spelled = text.unicodeScalars.map { scalar in
      if scalar.value < 0x20 || scalar == "\"" || scalar == "\\" || Int.random(in: 0..<4, using: &random) == 0
      {
        return scalar.utf16.map {
          "\\u" + String(repeating: "0", count: 4 - String($0, radix: 16).count) + String($0, radix: 16)
        }.joined()
      }
      return String(scalar)
    }
    return "\"" + spelled.joined() + "\""
  }

  private static func generate(_ random: inout SeededGenerator) -> (line: ArraySlice<UInt8>, message: [UInt8])
  {
    let scalars: [Unicode.Scalar] = [
      "a", "é", "€", "😀", "\"", "\\", "\n", "\u{1b}", "\0", "/", " ", "\u{7f}", "\u{2028}",
    ]
    let messages = (0..<Int.random(in: 1...3, using: &random)).map { _ -> [UInt8] in
      let text = (0..<Int.random(in: 0...20, using: &random)).map { _ in
        String(scalars.randomElement(using: &random) ?? "a")
      }
      return Array(text.joined().utf8) + (Int.random(in: 0..<4, using: &random) == 0 ? [0xff, 0xc3] : [])
    }
    let spelled = messages.map { self.spell($0, &random) }
    let value = messages.count == 1 ? spelled[0] : "[" + spelled.joined(separator: ",") + "]"
    let line = self.line(
      "\"MESSAGE\":\(value),\"SYSLOG_IDENTIFIER\":\(self.spell(Array("wéb\n".utf8), &random)),\"PRIORITY\":\"5\""
    )
    return (line, Array(messages.joined(separator: [0x0a])))
  }

  @Test func agreesWithFoundation() throws {
    var random = SeededGenerator(seed: 5)
    for _ in 0..<5_000 {
      let (line, message) = Self.generate(&random)
      let entry = try JournalEntry(json: line)
      #expect(entry.message == message)
      #expect(entry.identifier == "wéb\n" && entry.priority == 5)
      let judged = try #require(try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
      #expect(judged["__CURSOR"] as? String == entry.cursor.text)
      #expect(try Self.bytes(judged["MESSAGE"]) == message)
    }
  }

  @Test func acceptsNothingThatFoundationRefuses() throws {
    var random = SeededGenerator(seed: 6)
    let interesting = Array("{}[]\",:\\u0123456789eE+-.ntf \t\n".utf8) + [0, 0x1f, 0x7f]
    var accepted = 0
    for _ in 0..<20_000 {
      var line = Array(Self.generate(&random).line)
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let index = Int.random(in: 0..<line.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: line[index] = interesting.randomElement(using: &random) ?? 0
        case 1: line.remove(at: index)
        default: line.insert(interesting.randomElement(using: &random) ?? 0, at: index)
        }
      }
      guard (try? JournalEntry(json: line[...])) != nil else { continue }
      // Where Foundation is stricter on purpose: text that is not UTF-8, and halves of surrogate pairs.
      let text = String(decoding: line, as: UTF8.self)
      guard String(validating: line, as: UTF8.self) != nil, text.firstRange(of: /\\u[dD][89a-fA-F]/) == nil
      else { continue }
      accepted += 1
      #expect(throws: Never.self, "\(text)") { try JSONSerialization.jsonObject(with: Data(line)) }
    }
    #expect(accepted > 100)
  }

  private static func bytes(_ value: Any?) throws -> [UInt8] {
    if let text = value as? String { return Array(text.utf8) }
    if let numbers = value as? [NSNumber] { return numbers.map(\.uint8Value) }
    return Array(try (try #require(value as? [Any])).map { try self.bytes($0) }.joined(separator: [0x0a]))
  }

  // MARK: Units

  @Test(
    arguments: [
      (#""_SYSTEMD_UNIT":"a.service","_SYSTEMD_SLICE":"b.slice""#, ["a.service", "b.slice"]),
      (#""_PID":"1","UNIT":"a.service""#, ["a.service"]), (#""_PID":"12","UNIT":"a.service""#, []),
      (#""_UID":"0","OBJECT_SYSTEMD_UNIT":"a.service""#, ["a.service"]),
      (#""_UID":"1000","OBJECT_SYSTEMD_UNIT":"a.service""#, []),
      (
        #""_UID":"0","MESSAGE_ID":"fc2e22bc6ee647b6b90729ab34a250b1","COREDUMP_UNIT":"a.service""#,
        ["a.service"]
      ),
      (#""_UID":"0","COREDUMP_UNIT":"a.service""#, []),
      (#""_UID":"5","MESSAGE_ID":"fc2e22bc6ee647b6b90729ab34a250b1","COREDUMP_UNIT":"a.service""#, []),
    ])
  func unitsOfAnEntry(fields: String, expected: [String]) throws {
    let line =
      #"{"__CURSOR":"s=a","__REALTIME_TIMESTAMP":"1","__MONOTONIC_TIMESTAMP":"1","_BOOT_ID":"b","# + fields
      + "}"
    var units: [String] = []
    try JournalEntry(json: Array(line.utf8)[...]).forEachUnit { units.append($0) }
    #expect(units == expected)
  }
}
