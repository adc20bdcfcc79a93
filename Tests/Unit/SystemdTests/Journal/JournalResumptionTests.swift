import Testing

@testable import Systemd

/// Where reading goes on: the entries that journalctl prints, and those that are handed out.
@Suite struct JournalResumptionTests {
  private func entry(_ cursor: String) throws -> JournalEntry {
    let line =
      "{\"__CURSOR\":\"\(cursor)\",\"__REALTIME_TIMESTAMP\":\"9\",\"__MONOTONIC_TIMESTAMP\":\"1\",\"_BOOT_ID\":\"b\"}"
    return try JournalEntry(json: Array(line.utf8)[...])
  }

  private func handedOut(_ cursors: [String], after cursor: String) throws -> (
    cursors: [String], loss: UInt64?
  ) {
    var resumption = JournalResumption(after: .after(try #require(JournalCursor(cursor))))
    var entries: [JournalEntry] = []
    for cursor in cursors { resumption.append(try self.entry(cursor), to: &entries) }
    resumption.end(&entries)
    #expect(entries.dropFirst().allSatisfy { $0.lossBegin == nil })
    return (entries.map(\.cursor.text), entries.first?.lossBegin?.microseconds)
  }

  private static let last = "s=a;i=9;b=1;m=5;t=20;x=7"

  @Test(
    arguments: [
      // The entry is there, or nothing can have come between.
      (last, [last, "s=a;i=b;b=1;m=6;t=21;x=8"], 1, nil),
      (last, ["s=a;i=a;b=1;m=6;t=21;x=8"], 0, nil),
      // Its copy is there, after another line of the same moment, or alone.
      (last, ["s=b;i=2;b=1;m=5;t=20;x=3", "s=b;i=3;b=1;m=5;t=20;x=7", "s=b;i=4;b=1;m=5;t=20;x=4"], 2, nil),
      (last, ["s=b;i=3;b=1;m=5;t=20;x=7"], 1, nil),
      // It is gone.
      (last, ["s=a;i=b;b=1;m=6;t=21;x=8", "s=a;i=c;b=1;m=6;t=21;x=8"], 0, 0x20),
      (last, ["s=b;i=2;b=1;m=5;t=20;x=3", "s=b;i=3;b=1;m=6;t=21;x=8"], 0, 0x20),
      (last, ["s=b;i=2;b=1;m=5;t=20;x=3"], 0, 0x20),
      // Nothing is told of another boot, nor after a position that is no entry's.
      (last, ["s=c;i=1;b=2;m=1;t=22;x=1"], 0, nil), ("b=1;m=5;t=20", ["s=a;i=b;b=1;m=6;t=21;x=8"], 0, nil),
      ("b=1;m=6;t=20", ["s=a;i=b;b=1;m=6;t=21;x=8"], 0, nil), (last, [], 0, nil),
    ] as [(String, [String], Int, UInt64?)])
  func goesOn(after cursor: String, printed: [String], skipped: Int, loss: UInt64?) throws {
    let handedOut = try self.handedOut(printed, after: cursor)
    #expect(handedOut.cursors == Array(printed.dropFirst(skipped)))
    #expect(handedOut.loss == loss)
  }
}
