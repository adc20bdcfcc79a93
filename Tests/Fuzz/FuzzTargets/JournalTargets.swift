import Foundation
@testable import MessagePack
@testable import Processes

@testable import Systemd
@testable import SystemdDriver

extension FuzzTarget {
  static let journalEntry = FuzzTarget(
    "journal-entry",
    seeds: [
      "{\(facts),\"MESSAGE\":\"Hello \\u00e9 \\ud83d\\ude00\\n\",\"PRIORITY\":\"3\",\"_PID\":\"17\",\"_UID\":\"0\"}",
      "{\(facts),\"MESSAGE\":[104,255,0],\"SYSLOG_IDENTIFIER\":\"sh\",\"UNIT\":\"web.service\",\"_PID\":\"1\"}",
      "{\(facts),\"MESSAGE\":[\"a\",[98,10],null],\"MESSAGE_ID\":\"fc2e22bc6ee647b6b90729ab34a250b1\"}",
      "{\(facts),\"MESSAGE\":null,\"x\":[{\"y\":-1.5e3},true,false,null]}",
      "{\(facts),\"EXIT_CODE\":\"exited\",\"EXIT_STATUS\":\"7\",\"COMMAND\":\"ExecStart\",\"INVOCATION_ID\":\"0a\"}",
      "{\"a\":\(String(repeating: "[", count: 40))",
    ],
    words: [
      "\"MESSAGE\":", "\"PRIORITY\":", "\"_PID\":", "\"UNIT\":\"", "\\u", "\\ud83d", "\\udc00", "null",
      "true", "false",
      "[1,2]", "[[", "]]", "{\"", "\":", "\"_SYSTEMD_UNIT\":\"", "\"OBJECT_SYSTEMD_UNIT\":\"", "e+9",
    ]
  ) { input in
    do {
      let entry = try JournalEntry(json: input[...])
      try holdIsSound(entry)
      try holdIsAsFoundationReads(entry, input)
    } catch let error as JournalEntryError {
      try holdIsPlain(error.description, "the error")
      try hold(error.description.utf8.count < 2000, "the error is long")
    }
  }

  /// What every entry has.
  private static let facts =
    "\"__CURSOR\":\"s=0a;i=1f;b=2;m=3;t=4;x=5\",\"__REALTIME_TIMESTAMP\":\"1700000000000000\","
    + "\"__MONOTONIC_TIMESTAMP\":\"5\",\"_BOOT_ID\":\"0123456789abcdef0123456789abcdef\""

  private static func holdIsSound(_ entry: JournalEntry) throws {
    try hold(JournalCursor(entry.cursor.text) == entry.cursor, "the cursor is none")
    try hold((entry.priority ?? 0) <= 7 && (entry.processID ?? 0) >= 0, "a number is out of its range")
    try hold(entry.hasMessage || entry.message.isEmpty, "there is a message where there is none")
    entry.forEachUnit { _ in }
    for format in LogConfiguration.Format.allCases {
      var configuration = LogConfiguration()
      configuration.format = format
      guard let line = LogLine(entry, configuration) else { continue }
      try hold(line.bytes.last == UInt8(ascii: "\n"), "a line of the log has no end")
      try hold(line == LogLine(entry, configuration), "an entry gives another line when it is read again")
    }
    let history = UnitHistory([entry, entry])
    try hold(history == UnitHistory([entry]), "an entry that is read again changes what is known")
    try hold(history.end(since: nil).map { $0.result != nil } ?? true, "a run that has not ended is an end")
  }

  /// Whatever is read by the scanner is JSON, with the same message.
  private static func holdIsAsFoundationReads(_ entry: JournalEntry, _ input: [UInt8]) throws {
    // Foundation's answers differ for numbers too large, for bytes that are not UTF-8, and for halves of surrogate pairs.
    let pairs = zip(input, input.dropFirst())
    guard String(validating: input, as: UTF8.self) != nil, !input.contains(UInt8(ascii: ".")),
      !pairs.contains(where: { (0x30...0x39).contains($0) && $1 | 0x20 == UInt8(ascii: "e") }),
      !zip(pairs, input.dropFirst(2)).contains(where: { $0 == (0x5c, 0x75) && $1 | 0x20 == UInt8(ascii: "d") }
      ),
      text(input).ranges(of: "\"MESSAGE\"").count == 1
    else { return }
    let object = try? JSONSerialization.jsonObject(with: Data(input)) as? [String: Any]
    try hold(object != nil, "Foundation does not take it for JSON")
    guard let message = object?["MESSAGE"] as? String else { return }
    try hold(
      Array(message.utf8) == entry.message, "Foundation reads another message: \(message.debugDescription)")
  }

  private static let cursorBytes = Set("abcdefghijklmnopqrstuvwxyz0123456789=;".utf8)

  static let journalCursor = FuzzTarget(
    "journal-cursor",
    seeds: [
      "s=0a1b;i=1f;b=2;m=3;t=4;x=5\ns=0a1b;i=20;b=2;m=4;t=5;x=6", "i=1;i=2\nt=ffffffffffffffffffff", "--now",
      "s=-1",
    ],
    words: ["s=", ";i=", ";b=", ";m=", ";t=", ";x=", "ffffffffffffffff", "\n"]
  ) { input in
    let lines = input.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).prefix(2)
    let cursors = lines.compactMap { JournalCursor(text($0)) }
    for cursor in cursors {
      let bytes = Array(cursor.text.utf8)
      try hold((3...512).contains(bytes.count), "\(cursor) has \(bytes.count) bytes")
      let isSafe = bytes.allSatisfy(cursorBytes.contains)
      try hold(isSafe && bytes[1] == UInt8(ascii: "="), "\(cursor) is not fit for an argument")
      try hold(JournalCursor(cursor.text) == cursor, "\(cursor) is another when it is read again")
      try hold(!cursor.precedes(cursor), "\(cursor) comes before itself")
    }
    guard cursors.count == 2 else { return }
    let isBoth = cursors[0].precedes(cursors[1]) && cursors[1].precedes(cursors[0])
    try hold(!isBoth, "\(cursors[0]) comes before \(cursors[1]), and after it")
  }

  static let lines = FuzzTarget(
    "lines", seeds: ["\u{3}\u{5}one\ntwo three\n\nfour", "\u{1}\u{0}\n\n", "\u{ff}\u{ff}a\nb\n"],
    words: ["\n", "\n\n"]
  ) { input in
    guard input.count >= 2 else { return }
    let (size, limit, bytes) = (Int(input[0]) + 1, Int(input[1]), Array(input[2...]))
    var splitter = LineSplitter(maximumLength: limit)
    var lines: [[UInt8]] = []
    for start in stride(from: 0, to: bytes.count, by: size) {
      splitter.append(Array(bytes[start..<min(start + size, bytes.count)])) { lines.append(Array($0)) }
    }
    let whole = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast().map(
      Array.init)
    try hold(lines == whole.filter { $0.count <= limit }, "in pieces of \(size) bytes the lines are others")
    try hold(splitter.droppedCount == whole.count - lines.count, "dropped lines are not counted right")
  }
}
