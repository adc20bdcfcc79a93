import Systemd
import Testing

@testable import SystemdDriver

@Suite struct WriteBatchTests {
  private func entry(_ message: String, priority: Int = 6) throws -> JournalEntry {
    let line =
      "{\"__CURSOR\":\"s=a;i=1\",\"__REALTIME_TIMESTAMP\":\"1\",\"__MONOTONIC_TIMESTAMP\":\"1\",\"_BOOT_ID\":\"b\","
      + "\"MESSAGE\":\"\(message)\",\"PRIORITY\":\"\(priority)\"}"
    return try JournalEntry(json: Array(line.utf8)[...])
  }

  private func line(_ entry: JournalEntry) throws -> LogLine {
    try #require(LogLine(entry, LogConfiguration()))
  }

  @Test func linesOfOneStreamUpToWhatAFIFOTakesWhole() throws {
    var batch = WriteBatch()
    let first = try self.entry(String(repeating: "x", count: LogPipe.atomicSize - 11))
    batch.append(try self.line(first), of: first)
    #expect(!batch.isError)
    #expect(try batch.canAppend(self.line(self.entry(String(repeating: "y", count: 9)))))
    #expect(try !batch.canAppend(self.line(self.entry(String(repeating: "y", count: 10)))))
    #expect(try !batch.canAppend(self.line(self.entry("y", priority: 3))))
  }

  @Test func aLongLineIsABatchOfItsOwn() throws {
    var batch = WriteBatch()
    let long = try self.entry(String(repeating: "x", count: 3 * LogPipe.atomicSize), priority: 3)
    batch.skip(try self.entry("not in the logs"))
    #expect(try batch.canAppend(self.line(long)))
    batch.append(try self.line(long), of: long)
    #expect(batch.isError && batch.ends.map(\.end) == [0, 3 * LogPipe.atomicSize + 1])
    #expect(try !batch.canAppend(self.line(self.entry("", priority: 3))))
  }
}
