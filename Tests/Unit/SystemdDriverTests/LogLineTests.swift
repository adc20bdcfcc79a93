import Foundation
import MessagePack
import Systemd
import Testing

@testable import SystemdDriver

@Suite struct LogLineTests {
  private func entry(_ fields: String) throws -> JournalEntry {
    let line =
      "{\"__CURSOR\":\"s=a;i=1\",\"__REALTIME_TIMESTAMP\":\"1732294300000042\",\"__MONOTONIC_TIMESTAMP\":\"1\","
      + "\"_BOOT_ID\":\"b\",\(fields)}"
    var entry = try JournalEntry(json: Array(line.utf8)[...])
    entry.json = Array(line.utf8)
    return entry
  }

  private static let own = #""MESSAGE":"a\nb","PRIORITY":"4","SYSLOG_IDENTIFIER":"web","_PID":"7""#
  private static let lifecycle =
    #""MESSAGE":"Started.","PRIORITY":"6","SYSLOG_IDENTIFIER":"systemd","_PID":"1","UNIT":"web.service""#

  @Test(
    arguments: [
      (own, "message", true, "a\nb\n"), (own, "message", false, "a\nb\n"),
      (own, "short", true, "2024-11-22T16:51:40.000042Z web[7]: a\nb\n"),
      (lifecycle, "message", true, "systemd[1]: Started.\n"), (lifecycle, "message", false, nil),
      (lifecycle, "short", true, "2024-11-22T16:51:40.000042Z systemd[1]: Started.\n"),
      (lifecycle, "json", false, nil), (#""PRIORITY":"6""#, "message", true, nil),
      (#""MESSAGE":"""#, "message", true, "\n"),
      (
        #""MESSAGE":"dump","MESSAGE_ID":"fc2e22bc6ee647b6b90729ab34a250b1","SYSLOG_IDENTIFIER":"systemd-coredump""#,
        "message", true, "systemd-coredump: dump\n"
      ),
      (
        #""MESSAGE":"Suppressed","MESSAGE_ID":"a596d6fe7bfa4994828e72309e95d61e","_PID":"9","_TRANSPORT":"driver""#,
        "message",
        true,
        "unknown[9]: Suppressed\n"
      ),
    ] as [(String, String, Bool, String?)])
  func text(fields: String, format: String, lifecycle: Bool, expected: String?) throws {
    var configuration = LogConfiguration()
    configuration.format = try #require(LogConfiguration.Format(rawValue: format))
    configuration.lifecycle = lifecycle
    let line = try LogLine(self.entry(fields), configuration)
    #expect(line.map { String(decoding: $0.bytes, as: UTF8.self) } == expected)
  }

  @Test(
    arguments: [
      ("message", "nomad-driver-systemd: "), ("short", "2024-11-22T16:51:40.000042Z nomad-driver-systemd: "),
      ("json", nil),
    ] as [(String, String?)])
  func theDriversOwnWord(format: String, beginning: String?) throws {
    var configuration = LogConfiguration()
    configuration.format = try #require(LogConfiguration.Format(rawValue: format))
    configuration.lifecycle = false
    var entry = try self.entry(#""_SYSTEMD_UNIT":"web.service""#)
    entry.omittedSize = 12_000_356
    let text =
      "An entry of 12000356 bytes (as JSON) is left out: it is too large. To read it: "
      + "journalctl --cursor='s=a;i=1' --lines=1 --output=cat --all"
    let line = try #require(LogLine(entry, configuration))
    if let beginning {
      #expect(String(decoding: line.bytes, as: UTF8.self) == beginning + text + "\n")
    } else {
      let fields = try JSONDecoder().decode([String: String].self, from: Data(line.bytes))
      #expect(
        fields == [
          "MESSAGE": text, "PRIORITY": "4", "SYSLOG_IDENTIFIER": "nomad-driver-systemd",
          "__REALTIME_TIMESTAMP": "1732294300000042",
        ])
      #expect(line.bytes.count { $0 == 0x0a } == 1 && line.bytes.last == 0x0a)
    }
    #expect(!line.isError)
    configuration.stderrPriority = try #require(LogConfiguration.StderrPriority(rawValue: "warning"))
    #expect(LogLine(entry, configuration)?.isError == true)
  }

  @Test func anEntryAsItIs() throws {
    var configuration = LogConfiguration()
    configuration.format = .json
    let entry = try self.entry(Self.own)
    #expect(LogLine(entry, configuration)?.bytes == (entry.json ?? []) + [0x0a])
  }

  @Test(
    arguments: [
      ("err", 3), ("emerg", 0), ("none", -1), ("debug", 7), ("warning", 4),
    ])
  func theBorderOfTheStreams(border: String, number: Int) throws {
    var configuration = LogConfiguration()
    configuration.stderrPriority = try #require(LogConfiguration.StderrPriority(rawValue: border))
    for priority in 0...7 {
      let line = try LogLine(self.entry("\"MESSAGE\":\"x\",\"PRIORITY\":\"\(priority)\""), configuration)
      #expect(line?.isError == (priority <= number))
    }
    #expect(try LogLine(self.entry(#""MESSAGE":"x""#), configuration)?.isError == (number >= 6))
  }
}
