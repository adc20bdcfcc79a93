import Testing

@testable import GoPlugin

@Suite struct ProtocolLineTests {
  @Test(arguments: [
    (ProtocolLine(protocolVersion: 2, socketPath: "/tmp/p"), "1|2|unix|/tmp/p|grpc|"),
    (
      ProtocolLine(protocolVersion: 2, socketPath: "/tmp/p", supportsMultiplexing: false),
      "1|2|unix|/tmp/p|grpc||false"
    ),
    (ProtocolLine(protocolVersion: 10, socketPath: "/p"), "1|10|unix|/p|grpc|"),
  ])
  func isWrittenAndReadBack(line: ProtocolLine, text: String) throws {
    #expect(line.description == text)
    #expect(try ProtocolLine(parsing: Array(text.utf8), protocolVersions: [2, 10]) == line)
  }

  @Test func fieldsAfterTheProtocolMayBeMissing() throws {
    let line = try ProtocolLine(parsing: Array("1|2|unix|/tmp/p|grpc".utf8), protocolVersions: [2])
    #expect(line == ProtocolLine(protocolVersion: 2, socketPath: "/tmp/p"))
  }

  @Test(arguments: [
    ("", "form"),
    ("hello", "form"),
    ("|||", "handshake"),
    ("1|2|unix", "form"),
    ("1|2|unix|/p|grpc||true|", "form"),
    ("2|2|unix|/p|grpc|", "handshake"),
    ("01|2|unix|/p|grpc|", "handshake"),
    (" 1|2|unix|/p|grpc|", "handshake"),
    ("1|x|unix|/p|grpc|", "not a number"),
    ("1|+2|unix|/p|grpc|", "not a number"),
    ("1|02|unix|/p|grpc|", "not a number"),
    ("1|99999999999999999999|unix|/p|grpc|", "not a number"),
    ("1|3|unix|/p|grpc|", "offered: 2"),
    ("1|2|tcp|127.0.0.1:1|grpc|", "network 'tcp'"),
    ("1|2|unix|p|grpc|", "absolute"),
    ("1|2|unix||grpc|", "absolute"),
    ("1|2|unix|/\(String(repeating: "p", count: 107))|grpc|", "107"),
    ("1|2|unix|/p", "netrpc"),
    ("1|2|unix|/p|netrpc|", "'netrpc'"),
    ("1|2|unix|/p|GRPC|", "'GRPC'"),
    ("1|2|unix|/p|grpc|+//+AQ", "TLS"),
    ("1|2|unix|/p|grpc|###", "TLS"),
    ("1|2|unix|/p|grpc||yes", "multiplexing"),
    ("1|2|unix|/p|grpc||", "multiplexing"),
    ("1|2|unix|/p|grpc|\r", "control"),
    ("1|2|unix|/p\u{1b}[31m|grpc|", "control"),
    ("1|2|unix|/p\0|grpc|", "control"),
  ])
  func badLineIsRefusedWithItsReason(line: String, reason: String) {
    let error = #expect(throws: ProtocolLineError.self) {
      try ProtocolLine(parsing: Array(line.utf8), protocolVersions: [2])
    }
    #expect(error?.reason.contains(reason) == true, "\(error?.reason ?? "")")
  }

  @Test func invalidTextIsRefused() {
    #expect(throws: ProtocolLineError("the line is not UTF-8")) {
      try ProtocolLine(parsing: [0x31, 0x7c, 0xff], protocolVersions: [2])
    }
  }

  @Test func longestPathIsTaken() throws {
    let path = "/" + String(repeating: "p", count: 106)
    let line = Array("1|2|unix|\(path)|grpc|".utf8)
    #expect(try ProtocolLine(parsing: line, protocolVersions: [2]).socketPath == path)
  }
}
