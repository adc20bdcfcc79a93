import Glibc
import Logging
@testable import Processes
@testable import Transcripts

@testable import Systemd

extension FuzzTarget {
  static let transcript = FuzzTarget(
    "transcript",
    seeds: [
      """
      {"plugin":"1","part":0,"prefix":[],"realtime":1700000000000000,"recording":"0a","transcript":1,"uptime":5}
      {"at":1,"command":["/usr/bin/systemctl","--version"],"start":1}
      {"at":2,"data":"systemd 252 (252.39-1)\\n","output":1}
      {"at":3,"duration":9,"end":1,"exit":0}
      {"at":4,"command":["/usr/bin/systemctl","show","--property=Id","--","web.service"],"start":2,"time_limit":30}
      {"at":5,"data":["Id=web.service\\nMainPID=7\\n",255,"\\u001b[31m"],"output":2}
      {"at":6,"end":2,"exit":4,"stderr":"no\\n"}
      {"at":6,"command":["/usr/bin/journalctl","--follow","--unit=web.service","--cursor=s=0a;i=1"],"start":3}
      {"at":7,"data":"{\\"__CURSOR\\":\\"s=0a;i=1\\",\\"MESSAGE\\":\\"x\\"}\\n","output":3}
      {"at":8,"end":3,"failure":"cancelled"}
      {"at":8,"command":["/usr/bin/systemctl","start","--","web.service"],"start":4}
      {"at":9,"end":4,"failure":"timed-out","reason":"slow"}

      """,
      // The number of the next file is none.
      """
      {"plugin":"1","part":9223372036854775807,"prefix":[],"realtime":1,"recording":"0","transcript":1,"uptime":5}
      {"plugin":"1","part":1,"prefix":[],"realtime":1,"recording":"0","transcript":1,"uptime":5}

      """,
      // A combining mark hides a quotation mark from who looks for characters.
      """
      {"plugin":"1","part":0,"prefix":["x"],"realtime":18446744073709551615,"recording":"0","transcript":1,"uptime":5}
      {"at":1,"command":["/usr/bin/systemctl","show","--","'\u{301};reboot;"],"start":1}

      """,
    ],
    words: [
      "\"start\":", "\"output\":", "\"end\":", "\"at\":", "\"command\":[", "\"data\":", "\"exit\":",
      "\"signal\":",
      "\"failure\":", "\"stderr\":", "\"continued\":true", "\"reason\":\"", "not-started", "too-much-output",
      "refused",
      "not-executable", "\"duration\":", "/usr/bin/grep", "-qF", "--lines=1", "list-units", "cancel",
      "--boot", "\n{",
      "18446744073709551615", "'\u{301}",
    ]
  ) { input in
    try holdRecordsCanBeWritten(input)
    guard let transcript = transcript(input) else { return }
    for isFull in [false, true] {
      var failures = TranscriptListing.Filter()
      failures.isFailed = isFull
      for filter in [TranscriptListing.Filter(), failures] {
        var lines: [String] = []
        TranscriptListing(transcript, filter, isFull: isFull, isColoured: false).lines { lines.append($0) }
        for line in lines { try holdIsPlain(line, "a line of the listing") }
      }
    }
    try holdScriptIsHarmless(transcript)
    try hold(TranscriptComparison(transcript, transcript).differences.isEmpty, "it differs from itself")
    _ = ReplayingCommandRunner(
      transcript, speed: .asFastAsPossible, logger: Logger(label: "") { _ in SwiftLogNoOpLogHandler() })
  }

  /// Reads a transcript from a file that has no name.
  private static func transcript(_ bytes: [UInt8]) -> Transcript? {
    guard let file = tmpfile() else { return nil }
    defer { fclose(file) }
    fwrite(bytes, 1, bytes.count, file)
    fflush(file)
    do throws(TranscriptError) {
      return try Transcript(contentsOf: "/proc/self/fd/\(fileno(file))")
    } catch {
      return nil
    }
  }

  private static func holdRecordsCanBeWritten(_ input: [UInt8]) throws {
    let command = Command(executable: "/x")
    for line in input.split(separator: UInt8(ascii: "\n")) {
      guard let record = try? TranscriptRecord(line: line, commandOf: { _ in command }) else { continue }
      let written = try record.line
      try hold(!written.dropLast().contains(UInt8(ascii: "\n")), "a record is several lines")
      let again = try? TranscriptRecord(line: written.dropLast(), commandOf: { _ in command })
      try hold(again == record, "a record is another when it is written and read: \(text(written))")
    }
  }

  /// A script runs nothing but plain questions of the transcript's, with the words that they have.
  private static func holdScriptIsHarmless(_ transcript: Transcript) throws {
    let commands = Set(transcript.exchanges.map { [$0.command.executable] + $0.command.arguments })
    var lines: [String] = []
    TranscriptScript(transcript, includesChanges: false).lines { lines.append($0) }
    for line in lines {
      try holdIsPlain(line, "a line of the script")
      guard !line.isEmpty, !line.hasPrefix("#"), !line.hasPrefix("export ") else { continue }
      guard var words = shellWords(line) else {
        throw FuzzFailure(description: "it runs more than one command: \(line)")
      }
      if words.starts(with: ["timeout", "10"]) { words.removeFirst(2) }
      try hold(commands.contains(words), "it runs another command: \(line)")
      let programs = ["systemctl", "journalctl", "grep"].flatMap { ["/usr/bin/\($0)", "/bin/\($0)"] }
      try hold(words.first.map(programs.contains) == true, "it runs another program: \(line)")
    }
  }

  static let commandLine = FuzzTarget(
    "command-line",
    seeds: ["/usr/bin/systemctl\0show\0--\0web.service", "a b\0it's\0\0\u{1b}[31m\n\\\0$(x)", "'\u{301};x"],
    words: ["'", "\\", "'\u{301}", "$", "`", "\u{202e}", "\u{2028}", "\t", " ", "~", "!", "\u{301}"]
  ) { input in
    let words = parts(input).map { text($0) }
    let command = Command(executable: words[0], arguments: Array(words.dropFirst()))
    try holdIsPlain(command.description, "the command")
    let read = shellWords(command.description)
    try hold(
      read.map { $0.map { Array($0.utf8) } } == words.map { Array($0.utf8) },
      "a shell takes it for something else: \(command)")
    _ = CommandSignature(command, prefix: Array(words.prefix(2)))
  }

  /// The words of a line as bash(1) reads it; nil if it is more than one simple command of quoted and plain words.
  static func shellWords(_ line: String) -> [String]? {
    var words: [[UInt8]] = []
    var word: [UInt8]?
    var rest = Array(line.utf8)[...]
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: " "):
        if let word { words.append(word) }
        word = nil
      case UInt8(ascii: "'"):
        guard let end = rest.firstIndex(of: byte) else { return nil }
        word = (word ?? []) + rest[..<end]
        rest = rest[(end + 1)...]
      case UInt8(ascii: "$"):
        guard rest.popFirst() == UInt8(ascii: "'"), let quoted = ansiQuoted(&rest) else { return nil }
        word = (word ?? []) + quoted
      case UInt8(ascii: "\\"):
        guard let next = rest.popFirst() else { return nil }
        word = (word ?? []) + [next]
      case 0...0x2a, UInt8(ascii: ";"), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "?"),
        UInt8(ascii: "["),
        UInt8(ascii: "`"), UInt8(ascii: "{")...UInt8(ascii: "~"):
        guard byte == UInt8(ascii: "%") else { return nil }
        word = (word ?? []) + [byte]
      default:
        word = (word ?? []) + [byte]
      }
    }
    if let word { words.append(word) }
    return words.map { text($0) }
  }

  /// The rest of what is quoted by `$'…'`.
  private static func ansiQuoted(_ rest: inout ArraySlice<UInt8>) -> [UInt8]? {
    var bytes: [UInt8] = []
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "'") { return bytes }
      guard byte == UInt8(ascii: "\\") else {
        bytes.append(byte)
        continue
      }
      guard let escape = rest.popFirst() else { return nil }
      switch escape {
      case UInt8(ascii: "n"): bytes.append(UInt8(ascii: "\n"))
      case UInt8(ascii: "t"): bytes.append(UInt8(ascii: "\t"))
      case UInt8(ascii: "'"), UInt8(ascii: "\\"): bytes.append(escape)
      default:
        guard let octal = UInt8(text([escape] + rest.prefix(2)), radix: 8) else { return nil }
        bytes.append(octal)
        rest = rest.dropFirst(2)
      }
    }
    return nil
  }
}
