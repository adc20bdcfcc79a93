import Foundation
import Glibc
import Logging
import Processes
import Synchronization
import Systemd
import TestHelpers
import Testing

@testable import Transcripts

/// What is recorded, and read back.
@Suite struct TranscriptTests {
  @Test(
    arguments: [
      ([], #""""#), (Array("plain".utf8), #""plain""#), (Array("tab\t, \"é\"\n\u{1b}[1m\0".utf8), nil),
      (Array("a".utf8) + [0xff, 0xfe] + Array("é\n".utf8), #"["a",255,254,"é\n"]"#),
      ([0xc3], "[195]"), ([0xed, 0xa0, 0x80], nil), (Array(0...255), nil),
    ] as [([UInt8], String?)])
  func bytesAreKept(bytes: [UInt8], json: String?) throws {
    let encoded = try JSONEncoder().encode([TranscriptBytes(bytes: bytes)])
    #expect(try JSONDecoder().decode([TranscriptBytes].self, from: encoded).first?.bytes == bytes)
    if let json { #expect(String(decoding: encoded, as: UTF8.self) == "[\(json)]") }
  }

  private static let command = Command(
    executable: "/usr/bin/systemctl", arguments: ["show", "--", "a b", "\u{1b}"], timeLimit: .seconds(10))

  private func outcomes() -> [TranscriptOutcome] {
    let command = Self.command
    return [
      .ended(
        CommandResult(termination: .exited(5), standardError: [0xff, 0x0a], duration: .microseconds(1500))),
      .ended(CommandResult(termination: .signaled(9), standardError: [], duration: .zero)),
      .failed(.notExecutable(command, reason: "No such file or directory")),
      .failed(.spawnFailed(command, reason: "Out of memory")),
      .failed(.timedOut(command, standardError: "busy")), .failed(.tooMuchOutput(command)),
      .cancelled, .refused("no room"),
    ]
  }

  @Test func recordsAreReadAsTheyWereWritten() throws {
    let header = TranscriptHeader(
      plugin: "1.2.3", recording: "0a", part: 3, realtime: RealtimeTimestamp(microseconds: 1), uptime: 2,
      bootID: nil, commandPrefix: ["ssh", "host"])
    let records: [TranscriptRecord] =
      [
        .header(header), .start(id: 1, at: 7, Self.command),
        .start(id: 1, at: 7, Self.command, isContinued: true),
        .output(id: 1, at: 8, [0, 0x80]),
      ] + self.outcomes().map { .end(id: 1, at: 9, $0) }
    for record in records {
      let line = try record.line
      #expect(line.last == UInt8(ascii: "\n") && !line.dropLast().contains(UInt8(ascii: "\n")))
      #expect(try TranscriptRecord(line: line.dropLast()) { _ in Self.command } == record)
    }
  }

  /// The form that docs/transcripts.md tells of.
  @Test func theFormIsTheDocumentedOne() throws {
    let lines = try [
      TranscriptRecord.start(id: 1, at: 7, Self.command), .output(id: 1, at: 8, [0x61, 0xff]),
      .end(id: 1, at: 9, self.outcomes()[0]), .end(id: 2, at: 9, self.outcomes()[4]),
    ].map { String(decoding: try $0.line, as: UTF8.self) }
    #expect(
      lines == [
        #"{"at":7,"command":["/usr/bin/systemctl","show","--","a b","\u001b"],"output_limit":4194304,"start":1,"time_limit":10000000}"#
          + "\n",
        #"{"at":8,"data":["a",255],"output":1}"# + "\n",
        #"{"at":9,"duration":1500,"end":1,"exit":5,"stderr":[255,"\n"]}"# + "\n",
        #"{"at":9,"end":2,"failure":"timed-out","reason":"busy"}"# + "\n",
      ])
  }

  // MARK: Recording

  private func writer(_ destination: TranscriptWriter.Destination, logger: Logger = quietLogger) throws
    -> TranscriptWriter
  {
    try TranscriptWriter(to: destination, plugin: "0.1.0", commandPrefix: [], logger: logger)
  }

  @Test func whatPassesIsRecorded() async throws {
    try await withTemporaryDirectory { directory in
      let file = "\(directory)/t.jsonl"
      let runner = RecordingCommandRunner(
        ScriptedRunner(
          .chunks([Array("one\n".utf8), [0xff]], standardError: "hm", status: 3),
          .error(CommandError.timedOut(Self.command, standardError: "x")), .error(CancellationError()),
          .output("unwanted")), to: try self.writer(.file(file)))
      let result = try await runner.run(Self.command)
      #expect(result.standardOutput == Array("one\n".utf8) + [0xff])
      #expect(result.result.termination == .exited(3))
      await #expect(throws: CommandError.self) { try await runner.run(Self.command) }
      await #expect(throws: CancellationError.self) { try await runner.run(Self.command) }
      var small = Self.command
      small.outputLimit = 3
      await #expect(throws: CommandError.tooMuchOutput(small)) { try await runner.run(small) }

      let transcript = try Transcript(contentsOf: file)
      #expect(transcript.header.plugin == "0.1.0" && transcript.header.part == 0)
      #expect(transcript.exchanges.map(\.command) == [Self.command, Self.command, Self.command, small])
      let first = transcript.exchanges[0]
      #expect(first.output.map(\.bytes) == [Array("one\n".utf8), [0xff]])
      #expect(first.start <= first.output[0].at && first.output[0].at <= first.output[1].at)
      #expect(first.outcome == .ended(result.result))
      #expect(transcript.exchanges[1].outcome == .failed(.timedOut(Self.command, standardError: "x")))
      #expect(transcript.exchanges[2].outcome == .cancelled)
      #expect(transcript.exchanges[3].outcome == .failed(.tooMuchOutput(small)))
    }
  }

  /// A crash loses at most the last line: what a command is told comes after it is in the file.
  @Test func aCommandGoesOnWhenItsRecordIsWritten() async throws {
    try await withTemporaryDirectory { directory in
      let file = "\(directory)/t.jsonl"
      let runner = RecordingCommandRunner(
        ScriptedRunner(.output("now")), to: try self.writer(.file(file)))
      _ = try await runner.run(Self.command) { _ in
        let exchange = try Transcript(contentsOf: file).exchanges.first
        #expect(exchange?.standardOutput == Array("now".utf8) && exchange?.outcome == nil)
      }
    }
  }

  @Test func concurrentCommands() async throws {
    try await withTemporaryDirectory { directory in
      let file = "\(directory)/t.jsonl"
      let writer = try self.writer(.file(file))
      await withDiscardingTaskGroup { group in
        for number in 0..<50 {
          group.addTask {
            let runner = RecordingCommandRunner(ScriptedRunner(.chunks([[1], [2], [3]])), to: writer)
            _ = try? await runner.run(Command(executable: "/bin/\(number)"))
          }
        }
      }
      let transcript = try Transcript(contentsOf: file)
      #expect(Set(transcript.exchanges.map(\.command.executable)).count == 50)
      #expect(transcript.exchanges.allSatisfy { $0.standardOutput == [1, 2, 3] && $0.outcome != nil })
      #expect(transcript.exchanges.map(\.start) == transcript.exchanges.map(\.start).sorted())
    }
  }

  @Test func filesArePrivateAndNew() async throws {
    try await withTemporaryDirectory { directory in
      let file = "\(directory)/t.jsonl"
      _ = try self.writer(.file(file))
      var status = stat()
      #expect(stat(file, &status) == 0 && status.st_mode & 0o777 == 0o600)
      let error = #expect(throws: TranscriptError.self) { try self.writer(.file(file)) }
      #expect(error?.description.contains("File exists") == true)
      symlink("\(directory)/elsewhere", "\(directory)/link")
      #expect(throws: TranscriptError.self) { try self.writer(.file("\(directory)/link")) }
      #expect(!FileManager.default.fileExists(atPath: "\(directory)/elsewhere"))

      _ = try self.writer(.directory("\(directory)/own", limit: 1 << 20))
      #expect(stat("\(directory)/own", &status) == 0 && status.st_mode & 0o777 == 0o700)
      symlink("\(directory)/own", "\(directory)/own-link")
      #expect(throws: TranscriptError.self) {
        try self.writer(.directory("\(directory)/own-link", limit: 1 << 20))
      }
      chmod("\(directory)/own", 0o777)
      let shared = #expect(throws: TranscriptError.self) {
        try self.writer(.directory("\(directory)/own", limit: 1 << 20))
      }
      #expect(shared?.description.contains("chmod 0700") == true)
    }
  }

  @Test func aDirectoryKeepsWithinItsLimit() async throws {
    try await withTemporaryDirectory { directory in
      let limit = 256 << 10
      // Files that are nobody's transcripts stay.
      try Data(count: 2 * limit).write(to: URL(fileURLWithPath: "\(directory)/other.jsonl"))
      let writer = try self.writer(.directory("\(directory)/records", limit: limit))
      try FileManager.default.copyItem(
        atPath: "\(directory)/other.jsonl", toPath: "\(directory)/records/other")
      let follower = await writer.recordStart(of: Command(executable: "/bin/follower"))
      for number in 0..<400 {
        await writer.record([UInt8](repeating: UInt8(ascii: "x"), count: 1000), of: follower)
        let runner = RecordingCommandRunner(ScriptedRunner(.output("\(number)")), to: writer)
        _ = try await runner.run(Command(executable: "/bin/echo"))
      }
      let names = try FileManager.default.contentsOfDirectory(atPath: "\(directory)/records")
        .filter { $0.hasPrefix("transcript-") }.sorted()
      let files = names.map { "\(directory)/records/\($0)" }
      let sizes = try files.map { try Data(contentsOf: URL(fileURLWithPath: $0)).count }
      #expect(names.count > 2 && sizes.reduce(0, +) <= limit)
      #expect(FileManager.default.fileExists(atPath: "\(directory)/records/other"))
      for file in files {
        let transcript = try Transcript(contentsOf: file)
        // Each can be understood alone.
        #expect(transcript.exchanges.first?.command.executable == "/bin/follower")
        #expect(transcript.header.part > 0)
      }
      let all = try files.map { try Data(contentsOf: URL(fileURLWithPath: $0)) }.reduce(Data(), +)
      try all.write(to: URL(fileURLWithPath: "\(directory)/all"))
      let whole = try Transcript(contentsOf: "\(directory)/all")
      #expect(whole.exchanges.last?.standardOutput == Array("399".utf8))
      #expect(whole.exchanges.filter { $0.command.executable == "/bin/follower" }.count == 1)
      let ids = whole.exchanges.dropFirst().map(\.id)
      #expect(ids == Array((ids.first ?? 0)...(ids.last ?? 0)))

      // A part is missing.
      try
        (Data(contentsOf: URL(fileURLWithPath: files[0])) + Data(contentsOf: URL(fileURLWithPath: files[2])))
        .write(to: URL(fileURLWithPath: "\(directory)/gap"))
      #expect(throws: TranscriptError.self) { try Transcript(contentsOf: "\(directory)/gap") }
    }
  }

  /// Whatever record is the first that a file has no room for.
  @Test(arguments: ["start", "output", "end"]) func aDirectoryBeginsAFileAtAnyRecord(record: String)
    async throws
  {
    try await withTemporaryDirectory { directory in
      let writer = try self.writer(.directory("\(directory)/records", limit: 1 << 20))
      func text(_ kind: String) -> [UInt8] {
        [UInt8](repeating: UInt8(ascii: "x"), count: kind == record ? 3000 : 10)
      }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for worker in 0..<4 {
          group.addTask {
            for number in 0..<40 {
              let id = await writer.recordStart(
                of: Command(
                  executable: "/bin/\(worker)",
                  arguments: ["\(number)", String(decoding: text("start"), as: UTF8.self)]))
              await writer.record(text("output"), of: id)
              await writer.record(
                .ended(
                  CommandResult(termination: .exited(0), standardError: text("end"), duration: .zero)), of: id
              )
            }
          }
        }
        try await group.waitForAll()
      }
      let files = try FileManager.default.contentsOfDirectory(atPath: "\(directory)/records").sorted()
        .map { "\(directory)/records/\($0)" }
      #expect(files.count > 2)
      for file in files { _ = try Transcript(contentsOf: file) }
      let all = try files.map { try Data(contentsOf: URL(fileURLWithPath: $0)) }.reduce(Data(), +)
      try all.write(to: URL(fileURLWithPath: "\(directory)/all"))
      let whole = try Transcript(contentsOf: "\(directory)/all")
      #expect(whole.exchanges.count == 160)
      #expect(whole.exchanges.allSatisfy { $0.standardOutput == text("output") && $0.outcome != nil })
    }
  }

  @Test func aFailureEndsTheRecordingAndNoCommand() async throws {
    try await withTemporaryDirectory { directory in
      let log = LogLines()
      let file = "\(directory)/t.jsonl"
      let writer = try self.writer(.file(file, limit: 2000), logger: log.logger)
      for number in 0..<100 {
        let runner = RecordingCommandRunner(ScriptedRunner(.output("\(number)")), to: writer)
        #expect(try await runner.run(Self.command).standardOutput == Array("\(number)".utf8))
      }
      #expect(log.lines.count == 1)
      #expect(log.lines.first?.contains("limit of 2000 bytes") == true)
      let transcript = try Transcript(contentsOf: file)
      #expect((1..<100).contains(transcript.exchanges.count))
    }
  }

  // MARK: Reading

  private func read(_ text: String) throws -> Transcript {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    defer { try? FileManager.default.removeItem(at: file) }
    try Data(text.utf8).write(to: file)
    return try Transcript(contentsOf: file.path)
  }

  private static let header =
    #"{"transcript":1,"plugin":"1","recording":"a","part":0,"realtime":1,"uptime":1,"prefix":[]}"# + "\n"
  private static let start = #"{"start":1,"at":1,"command":["/bin/a"]}"# + "\n"

  @Test func aLineThatIsNotWholeIsPassedOver() throws {
    let transcript = try self.read(Self.header + Self.start + #"{"output":1,"at":2,"da"#)
    #expect(transcript.exchanges.map(\.outcome) == [nil])
    #expect(transcript.exchanges.map(\.output.count) == [0])
  }

  @Test(
    arguments: [
      ("", "it is empty"), ("x\n", "line 1"), ("{}\n", "line 1"),
      (#"{"transcript":2}"# + "\n", "version 2"), (#"{"transcript":1}"# + "\n", "line 1"),
      (Self.header + "[[[[\n", "line 2"), (Self.header + "{}\n", "line 2"),
      (Self.header + #"{"output":1,"at":1,"data":""}"# + "\n", "the number 1"),
      (Self.header + Self.start + Self.start, "a second command"),
      (Self.header + #"{"end":1,"at":1,"exit":0}"# + "\n", "line 2"),
      (Self.header + #"{"start":1,"at":-1,"command":["/bin/a"]}"# + "\n", "line 2"),
      (Self.header + #"{"start":1,"at":1e300,"command":["/bin/a"]}"# + "\n", "line 2"),
      (Self.header + #"{"start":1,"at":1,"command":[]}"# + "\n", "line 2"),
      (Self.header + Self.header, "does not follow"),
    ])
  func refused(text: String, problem: String) {
    let error = #expect(throws: TranscriptError.self) { try self.read(text) }
    #expect(error?.description.contains(problem) == true, "\(error?.description ?? "")")
    #expect(error?.description.utf8.count ?? 0 < 1000)
  }

  @Test func absurdLines() {
    for line in [
      String(repeating: "[", count: 100_000), String(repeating: "x", count: Transcript.lineLimit + 1),
    ] {
      let error = #expect(throws: TranscriptError.self) { try self.read(Self.header + line + "\n") }
      #expect(error?.description.utf8.count ?? 0 < 1000)
    }
  }

  @Test func onlyRegularFilesAreRead() async throws {
    try await withTemporaryDirectory { directory in
      #expect(mkfifo("\(directory)/fifo", 0o600) == 0)
      for path in ["\(directory)/fifo", directory, "/dev/zero", "\(directory)/none"] {
        #expect(throws: TranscriptError.self) { try Transcript(contentsOf: path) }
      }
    }
  }

  /// Whatever is in a file, it is refused or shown, and nothing in it reaches the terminal as more than text.
  @Test func hostileTranscripts() async throws {
    try await withTemporaryDirectory { directory in
      let file = "\(directory)/t.jsonl"
      let writer = try self.writer(.file(file))
      let runner = RecordingCommandRunner(
        ScriptedRunner(
          .output("\u{1b}[31mred\u{1b}[0m\u{202e}\r\nActiveState=active\n", standardError: "\u{7}\u{9b}1m"),
          .output(#"{"MESSAGE":"\u001b]0;title\u0007","_PID":"1"}"# + "\n"), .error(CancellationError())),
        to: writer)
      for unit in ["a\u{1b}[2J.service", "b.service", "c.service"] {
        _ = try? await runner.run(
          Command(executable: "/usr/bin/systemctl", arguments: ["show", "--\u{202e}", "--", unit]))
      }
      let whole = [UInt8](try Data(contentsOf: URL(fileURLWithPath: file)))
      var random = SeededGenerator(seed: 6)
      for round in 0..<1000 {
        var bytes = whole
        for _ in 0..<(round == 0 ? 0 : Int.random(in: 1...8, using: &random)) {
          bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
        try Data(bytes).write(to: URL(fileURLWithPath: "\(directory)/hostile"))
        guard let transcript = try? Transcript(contentsOf: "\(directory)/hostile") else { continue }
        var lines: [String] = []
        for isFull in [false, true] {
          TranscriptListing(transcript, .init(), isFull: isFull, isColoured: false).lines { lines.append($0) }
        }
        TranscriptScript(transcript, includesChanges: true).lines { lines.append($0) }
        for difference in TranscriptComparison(transcript, try Transcript(contentsOf: file)).differences {
          lines += ["\(difference.command)"] + difference.first + difference.second
        }
        #expect(!lines.contains { $0.unicodeScalars.contains(where: \.isHidden) })
        _ = ReplayingCommandRunner(transcript, speed: .asFastAsPossible, logger: quietLogger)
      }
    }
  }
}

/// Keeps what is logged.
final class LogLines: Sendable {
  private let kept = Mutex<[String]>([])

  var lines: [String] { self.kept.withLock { $0 } }

  var logger: Logger {
    var logger = Logger(label: "tests") { _ in
      CapturingHandler { line in self.kept.withLock { $0.append(line) } }
    }
    logger.logLevel = .notice
    return logger
  }
}
