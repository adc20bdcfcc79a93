import Logging
import Testing

@testable import GoPlugin

@Suite struct HCLogEntryTests {
  @Test func everyKindOfValueIsRead() throws {
    let line =
      #"{"@level":"warn","@message":"m","@module":"a.b","@timestamp":"t","text":"x","number":-7,"large":"#
      + #"1.5e300,"flag":true,"none":null,"list":[1,"two",[]],"object":{"k":{"n":false}}}"#
    let entry = try #require(HCLogEntry(line: line))
    #expect(entry.level == .warning)
    #expect(entry.message == "m")
    #expect(entry.module == "a.b")
    #expect(entry.timestamp == "t")
    #expect(
      entry.metadata == [
        "text": "x", "number": "-7", "large": "1.5e+300", "flag": "true", "none": "null",
        "list": ["1", "two", .array([])], "object": ["k": ["n": "false"]],
      ])
  }

  @Test(arguments: Logger.Level.allCases)
  func readsWhatTheHandlerWrites(level: Logger.Level) throws {
    let line = HCLogLine(level: level, module: "m", message: "text\n", metadata: ["k": ["a", "b"]])
    let entry = try #require(HCLogEntry(line: String(decoding: line.bytes, as: UTF8.self)))
    #expect(entry.message == "text\n")
    #expect(entry.metadata == ["k": ["a", "b"]])
    let expected: [Logger.Level: Logger.Level] = [.notice: .info, .critical: .error]
    #expect(entry.level == expected[level] ?? level)
  }

  @Test(arguments: [
    "", "panic: oh", "{}", "[]", "3", "null", #"{"@level":"info"}"#, #"{"@message":"m"}"#,
    #"{"@level":3,"@message":{}}"#, #"{"@level":"info","@message":"m""#,
    "{\"@level\":\"info\",\"@message\":\"\n\"}",
    String(repeating: "[", count: 100_000),
  ])
  func otherLinesAreNoEntries(line: String) {
    #expect(HCLogEntry(line: line) == nil)
  }
}
