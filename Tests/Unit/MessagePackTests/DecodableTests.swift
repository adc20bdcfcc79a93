import Foundation
import Testing

@testable import MessagePack

@Suite struct DecodableTests {
  private struct Configuration: Decodable, Equatable {
    var unit: String
    var enabled: Bool?
    var commandPrefix: [String]?
    var limits: [String: Int8]?

    enum CodingKeys: String, CodingKey {
      case unit, enabled, limits
      case commandPrefix = "command_prefix"
    }
  }

  private func decode<T: Decodable>(_ type: T.Type, _ value: MessagePackValue) throws -> T {
    try MessagePackDecoder().decode(type, from: try MessagePackEncoder().encode(value))
  }

  /// The error, its path, and its explanation.
  private func failure<T: Decodable>(
    _ type: T.Type, _ value: MessagePackValue, sourceLocation: SourceLocation = #_sourceLocation
  ) -> String? {
    let error = #expect(throws: DecodingError.self, sourceLocation: sourceLocation) {
      try decode(type, value)
    }
    return error?.explanation
  }

  // MARK: Values

  @Test func configuration() throws {
    let value: MessagePackValue = [
      "unit": "x.service", "enabled": false, "command_prefix": ["a", "b"], "limits": ["cpu": 3, "io": -4],
      "unknown": [1: 2],
    ]
    #expect(
      try decode(Configuration.self, value)
        == Configuration(
          unit: "x.service", enabled: false, commandPrefix: ["a", "b"], limits: ["cpu": 3, "io": -4]))
  }

  @Test func nilIsAbsent() throws {
    let expected = Configuration(unit: "x")
    #expect(try decode(Configuration.self, ["unit": "x"]) == expected)
    #expect(
      try decode(Configuration.self, ["unit": "x", "enabled": nil, "command_prefix": nil, "limits": nil])
        == expected)
    #expect(try decode([Int?].self, [1, nil, 3]) == [1, nil, 3])
    #expect(try decode(Int?.self, nil) == nil)
  }

  @Test func numbersOfEveryForm() throws {
    #expect(try decode(UInt8.self, 255) == 255)
    #expect(try decode(UInt64.self, 18_446_744_073_709_551_615) == .max)
    #expect(try decode(Int64.self, -9_223_372_036_854_775_808) == .min)
    #expect(try decode(Int.self, 5.0) == 5)
    #expect(try decode(Int8.self, -128.0) == -128)
    #expect(try decode(UInt64.self, 9_223_372_036_854_775_808.0) == 1 << 63)
    #expect(try decode(UInt64.self, "18446744073709551615") == .max)
    #expect(try decode(Int128.self, "-170141183460469231731687303715884105728") == .min)
    #expect(try decode(UInt128.self, "340282366920938463463374607431768211455") == .max)
    #expect(try decode(Double.self, 9_007_199_254_740_992) == 9_007_199_254_740_992)
    #expect(try decode(Double.self, 0.1) == 0.1)
    #expect(try decode(Double.self, "0.1") == 0.1)
    #expect(try decode(Double.self, "-100000000000000000000000000000") == -1e29)
    #expect(try decode(Float.self, 0.1) == 0.1)
    #expect(try decode(Float.self, 16_777_216) == 16_777_216)
    #expect(try decode(Float.self, .float(.infinity)) == .infinity)
  }

  @Test func everyIntegerTypeAtItsBounds() throws {
    func check<T: FixedWidthInteger & Decodable>(_ type: T.Type) throws {
      for bound in [T.min, T.max] {
        #expect(try decode(type, .string("\(bound)")) == bound)
        guard T.bitWidth <= 64 else { continue }
        #expect(try decode(type, .integer(Int128(bound))) == bound)
      }
      guard T.bitWidth <= 32 else { return }
      for outside in [Int128(T.min) - 1, Int128(T.max) + 1] {
        #expect(throws: DecodingError.self) { try decode(type, .integer(outside)) }
        #expect(throws: DecodingError.self) { try decode(type, .float(Double(outside))) }
        #expect(throws: DecodingError.self) { try decode(type, .string("\(outside)")) }
      }
    }
    try check(Int8.self)
    try check(Int16.self)
    try check(Int32.self)
    try check(Int64.self)
    try check(Int.self)
    try check(Int128.self)
    try check(UInt8.self)
    try check(UInt16.self)
    try check(UInt32.self)
    try check(UInt64.self)
    try check(UInt.self)
    try check(UInt128.self)
  }

  @Test func binary() throws {
    let value = MessagePackValue.binary([0, 127, 255])
    #expect(try decode([UInt8].self, value) == [0, 127, 255])
    #expect(try decode(Data.self, value) == Data([0, 127, 255]))
    #expect(
      failure([Int8].self, value) == "[2]: expected an integer from -128 through 127, found the integer 255")
  }

  @Test func valuesAsTheyAre() throws {
    let timestamp = try #require(MessagePackTimestamp(seconds: -1, nanoseconds: 5))
    let value: MessagePackValue = [
      "at": .timestamp(timestamp), "unknown": .ext(type: 0, data: [0]), "keys": [[1]: 2.5],
    ]
    #expect(
      try decode([String: MessagePackValue].self, value)
        == ["at": .timestamp(timestamp), "unknown": .ext(type: 0, data: [0]), "keys": [[1]: 2.5]])
    let json = Data("[1]".utf8)
    #expect(throws: DecodingError.self) { try JSONDecoder().decode([MessagePackValue].self, from: json) }
  }

  @Test func enumerations() throws {
    enum Restart: String, Decodable { case always, never }
    #expect(try decode(Restart.self, "never") == .never)
    #expect(
      failure([String: Restart].self, ["restart": "some"])?.hasPrefix("restart: ") == true)
  }

  // MARK: Containers

  private struct Explicit: Decodable {
    let keys: [String]
    let inner: Int
    let list: [Int]
    let end: Bool
    let rest: [String: Bool]
    let base: Int
    let named: Int

    enum Key: String, CodingKey { case outer, inner, list, named, base = "super" }

    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: Key.self)
      keys = container.allKeys.map(\.stringValue)
      inner = try container.nestedContainer(keyedBy: Key.self, forKey: .outer).decode(
        Int.self, forKey: .inner)
      var elements = try container.nestedUnkeyedContainer(forKey: .list)
      var list: [Int] = []
      if try !elements.decodeNil() { list.append(try elements.decode(Int.self)) }
      if try elements.decodeNil() { list.append(-1) }
      var deeper = try elements.nestedUnkeyedContainer()
      list.append(try deeper.decode(Int.self))
      rest = ["deeperAtEnd": deeper.isAtEnd, "counted": elements.count == 5 && elements.currentIndex == 3]
      list.append(try elements.nestedContainer(keyedBy: Key.self).decode(Int.self, forKey: .inner))
      list.append(try Int(from: try elements.superDecoder()))
      end = elements.isAtEnd
      self.list = list
      base = try Int(from: try container.superDecoder())
      named = try Int(from: try container.superDecoder(forKey: .named))
    }
  }

  @Test func containersInsideContainers() throws {
    let value: MessagePackValue = [
      "list": [1, nil, [2], ["inner": 3], 4], "other": nil, "outer": ["inner": 5], "super": 6, "named": 7,
    ]
    let decoded = try decode(Explicit.self, value)
    #expect(decoded.keys == ["list", "outer", "super", "named"])
    #expect(decoded.inner == 5)
    #expect(decoded.list == [1, -1, 2, 3, 4])
    #expect(decoded.end)
    #expect(decoded.rest == ["deeperAtEnd": true, "counted": true])
    #expect(decoded.base == 6)
    #expect(decoded.named == 7)
  }

  @Test func pathsReachThroughNestedAndSuperDecoders() {
    func value(
      list: MessagePackValue = [1, nil, [2], ["inner": 3], 4], outer: MessagePackValue = ["inner": 5],
      base: MessagePackValue = 6, named: MessagePackValue = 7
    ) -> MessagePackValue {
      ["list": list, "outer": outer, "super": base, "named": named]
    }
    let found = "expected an integer, found the boolean true"
    #expect(failure(Explicit.self, value(outer: ["inner": true])) == "outer.inner: \(found)")
    #expect(failure(Explicit.self, value(list: [1, nil, [true]])) == "list[2][0]: \(found)")
    #expect(failure(Explicit.self, value(list: [1, nil, [2], ["inner": true]])) == "list[3].inner: \(found)")
    #expect(
      failure(Explicit.self, value(list: [1, nil, [2], [:]])) == "list[3].inner: required, but missing")
    #expect(
      failure(Explicit.self, value(list: [1, nil, [2], ["inner": 3], true])) == "list[4]: \(found)")
    #expect(
      failure(Explicit.self, value(list: [1])) == "list[1]: expected another element, found the end of 1")
    #expect(failure(Explicit.self, value(base: true)) == "super: \(found)")
    #expect(failure(Explicit.self, value(named: true)) == "named: \(found)")
    #expect(failure(Explicit.self, value(outer: [])) == "outer: expected a map, found an array of 0")
    #expect(failure(Explicit.self, value(list: [:])) == "list: expected an array, found a map of 0")
  }

  @Test func elementThatFailsIsNotSkipped() throws {
    struct Either: Decodable {
      let text: String

      init(from decoder: any Decoder) throws {
        var elements = try decoder.unkeyedContainer()
        do {
          text = "\(try elements.decode(Int.self))"
        } catch {
          text = try elements.decode(String.self)
        }
      }
    }
    #expect(try decode(Either.self, ["a"]).text == "a")
  }

  // MARK: Errors

  @Test func missingKey() throws {
    let error = #expect(throws: DecodingError.self) { try decode(Configuration.self, ["enabled": true]) }
    guard case .keyNotFound(let key, let context) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(key.stringValue == "unit")
    #expect(context.codingPath.isEmpty)
    #expect(error?.explanation == "unit: required, but missing")
    #expect(failure([String: Configuration].self, ["a b": [:]]) == "\"a b\".unit: required, but missing")
  }

  @Test func wrongType() throws {
    let error = #expect(throws: DecodingError.self) {
      try decode(Configuration.self, ["unit": "x", "command_prefix": ["a", 5]])
    }
    guard case .typeMismatch(_, let context) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(context.codingPath.map(\.stringValue) == ["command_prefix", "Index 1"])
    #expect(context.codingPath.map(\.intValue) == [nil, 1])
    #expect(error?.explanation == "command_prefix[1]: expected a string, found the integer 5")
  }

  @Test(
    arguments: [
      (["unit": nil], "unit: expected a string, found nil"),
      (["unit": 1.5], "unit: expected a string, found the number 1.5"),
      (["unit": true], "unit: expected a string, found the boolean true"),
      (["unit": []], "unit: expected a string, found an array of 0"),
      (["unit": .binary([1])], "unit: expected a string, found binary data of 1 bytes"),
      (
        ["unit": .ext(type: 0, data: [0])],
        "unit: expected a string, found an extension of type 0 with 1 bytes"
      ),
      (["unit": "x", "enabled": 1], "enabled: expected a boolean, found the integer 1"),
      (["unit": "x", "enabled": "true"], "enabled: expected a boolean, found the string \"true\""),
      (["unit": "x", "command_prefix": "a"], "command_prefix: expected an array, found the string \"a\""),
      (["unit": "x", "limits": [1]], "limits: expected a map, found an array of 1"),
      (
        ["unit": "x", "limits": ["cpu": 300]],
        "limits.cpu: expected an integer from -128 through 127, found the integer 300"
      ),
      (
        ["unit": "x", "limits": ["cpu": 1.5]],
        "limits.cpu: expected an integer from -128 through 127, found the number 1.5"
      ),
      (
        ["unit": "x", "limits": ["cpu": "128"]],
        "limits.cpu: expected an integer from -128 through 127, found the string \"128\""
      ),
      (
        ["unit": "x", "limits": ["cpu": "+1"]],
        "limits.cpu: expected an integer, found the string \"+1\""
      ),
      (
        ["unit": "x", "limits": ["a.b\n": true]],
        "limits.\"a.b\\n\": expected an integer, found the boolean true"
      ),
      (["unit": "x", "unit": "y"], "expected each key once, found \"unit\" twice"),
      (["unit": "x", "limits": ["a": 1, "a": 1]], "limits: expected each key once, found \"a\" twice"),
      (["unit": "x", 1: 2], "expected a map with strings for keys, found the key the integer 1"),
      ([], "expected a map, found an array of 0"),
      (nil, "expected a map, found nil"),
    ] as [(MessagePackValue, String)])
  func explanation(value: MessagePackValue, expected: String) {
    #expect(failure(Configuration.self, value) == expected)
  }

  @Test func numbersThatDoNotFit() {
    #expect(
      failure(Int.self, .float(.nan))
        == "expected an integer from -9223372036854775808 through 9223372036854775807, found the number nan")
    for value: MessagePackValue in [.float(.infinity), 1e300, 9_223_372_036_854_775_808.0, "1.0"] {
      #expect(failure(Int.self, value)?.hasPrefix("expected an integer from -9223372036854775808") == true)
    }
    #expect(
      failure(Double.self, 9_007_199_254_740_993)
        == "expected a number that Double holds exactly, found the integer 9007199254740993")
    #expect(
      failure(Float.self, 16_777_217)
        == "expected a number that Float holds exactly, found the integer 16777217")
    #expect(failure(Float.self, 1e39) == "expected a number in the range of Float, found the number 1e+39")
    #expect(
      failure(Double.self, .string("1" + String(repeating: "0", count: 400)))?
        .hasPrefix("expected a number in the range of Double, found the string \"1000") == true)
    for text in ["", "-", ".5", "5.", "1e3", "nan", "inf", "0x10", " 1", "1 ", "1.2.3", "--1", "١"] {
      let found = "found the string \"\(text)\""
      #expect(failure(Double.self, .string(text)) == "expected a number, \(found)")
      #expect(failure(Int.self, .string(text)) == "expected an integer, \(found)")
    }
  }

  @Test func keysThatDifferOnlyInNormalizationAreTheSame() {
    #expect(failure([String: Int].self, ["\u{e9}": 1, "e\u{301}": 2])?.contains("twice") == true)
  }

  @Test func explanationIsOfBoundedLengthOnOneLine() throws {
    let text = "\n\u{1b}[2J\"\u{9b}\u{2028}\u{202e}" + String(repeating: "\u{301}", count: 10_000)
    let explanation = try #require(failure([String: Bool].self, [.string(text): .string(text)]))
    #expect(explanation.utf8.count < 2_000)
    #expect(explanation.utf8.starts(with: #""\n\u{1B}[2J\"\u{009B}\u{2028}\u{202E}"#.utf8))
  }

  @Test func everyMutationOfAConfigurationDecodesOrThrows() throws {
    let value: MessagePackValue = [
      "unit": "x", "enabled": true, "command_prefix": ["a"], "limits": ["b": -100, "c": 1.5],
    ]
    let encoding = try MessagePackEncoder().encode(value)
    for position in encoding.indices {
      for byte in UInt8.min...UInt8.max {
        var mutation = encoding
        mutation[position] = byte
        do {
          _ = try MessagePackDecoder().decode(Configuration.self, from: mutation)
        } catch let error as DecodingError {
          if error.explanation.isEmpty { Issue.record("no explanation for \(hex(mutation))") }
        } catch {
          if !(error is MessagePackError) { Issue.record("\(error) for \(hex(mutation))") }
        }
      }
    }
  }

  @Test func malformedBytesAreNotDecodingErrors() {
    #expect(throws: MessagePackError.self) { try MessagePackDecoder().decode(Int.self, from: bytes("cd 01")) }
    #expect(throws: MessagePackError.self) { try MessagePackDecoder().decode(Int.self, from: bytes("01 02")) }
  }
}
