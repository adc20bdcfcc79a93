import Foundation
import Logging

@testable import GoPlugin

extension FuzzTarget {
  static let hclog = FuzzTarget(
    "hclog",
    seeds: [
      "started\0driver\0unit\0web.service\0@level\0x", "\u{1b}[31m\"\\\n\u{2028}\0\u{7f}\0k\u{301}\0\u{0}",
      "{\"@level\":\"warn\",\"@message\":\"m\",\"@module\":\"a\",\"n\":1.5,\"l\":[true,null,{\"k\":-7}]}",
      "x\0m\0four\0\u{1}\"\0many\0\u{1}\u{301}",
    ],
    words: [
      "\0", "@level", "@message", "@omitted", "_@level", "\u{2029}", "\u{301}", "\\u", "\"@message\":\"",
    ]
  ) { input in
    let words = parts(input).map { text($0) }
    let message = words[0]
    var metadata: Logger.Metadata = [:]
    for (key, value) in zip(words.dropFirst(2), words.dropFirst(3)) {
      switch key.utf8.count % 4 {
      case 3: metadata[key] = .string(String(repeating: value, count: 200))
      case 0: metadata[key] = .string(value)
      case 1:
        metadata[key] = .array([.string(value), .dictionary([value: .stringConvertible(key.utf8.count)])])
      default: metadata[key] = nested(value, depth: 12)
      }
    }
    let line = HCLogLine(
      level: .info, module: words.count > 1 ? words[1] : "", message: message, metadata: metadata)
    try holdIsOneLine(line.bytes)
    let fields = try? JSONSerialization.jsonObject(with: Data(line.bytes)) as? [String: Any]
    try hold(fields != nil, "it is not JSON: \(text(line.bytes))")
    try hold(fields?["@level"] as? String == "info", "the level is another: \(text(line.bytes))")
    guard let logged = fields?["@message"] as? String else {
      throw FuzzFailure(description: "there is no message")
    }
    // What takes more than six bytes a character in the line is cut.
    if message.utf8.count <= 4096 {
      try hold(Array(logged.utf8) == Array(message.utf8), "the message is another: \(text(line.bytes))")
    }
    let entry = HCLogEntry(line: text(line.bytes))
    try hold(entry?.message == logged, "a host reads another message: \(text(line.bytes))")
    _ = HCLogEntry(line: text(input))
  }

  private static func nested(_ value: String, depth: Int) -> Logger.MetadataValue {
    depth == 0 ? .string(value) : .dictionary([value: .array([nested(value, depth: depth - 1)])])
  }

  private static func holdIsOneLine(_ bytes: [UInt8]) throws {
    try hold(bytes.count <= HCLogLine.maximumLength, "it has \(bytes.count) bytes")
    try hold(bytes.last == UInt8(ascii: "\n"), "it has no end")
    try hold(bytes.dropLast().allSatisfy { $0 >= 0x20 && $0 != 0x7f }, "it has control characters")
    try hold(String(validating: bytes, as: UTF8.self) != nil, "it is not UTF-8")
  }

  static let protocolLine = FuzzTarget(
    "protocol-line",
    seeds: [
      "1|2|unix|/tmp/plugin.sock|grpc|", "1|2|unix|/tmp/p|grpc|AAEC|true", "1|2|unix|/|\u{301}|grpc",
      "1|2|tcp|x",
    ],
    words: ["|", "|unix|/", "|grpc|", "true", "false", "=", "|\u{301}"]
  ) { input in
    guard let line = try? ProtocolLine(parsing: input, protocolVersions: [1, 2]) else { return }
    try hold([1, 2].contains(line.protocolVersion), "the version is \(line.protocolVersion)")
    let path = Array(line.socketPath.utf8)
    try hold(
      path.first == UInt8(ascii: "/") && path.count <= ProtocolLine.maximumSocketPathLength,
      "not a path: \(line)")
    try holdIsPlain(line.socketPath.filter { $0.unicodeScalars.allSatisfy { $0.value < 0x80 } }, "the path")
    let again = try? ProtocolLine(parsing: Array(line.description.utf8), protocolVersions: [1, 2])
    try hold(again == line, "it is another when it is written and read: \(line)")
  }
}
