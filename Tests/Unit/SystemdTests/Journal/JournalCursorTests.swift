import Testing

@testable import Systemd

@Suite struct JournalCursorTests {
  @Test(arguments: [
    "s=0",
    "s=fe68117423de4f679fcab6fb0d410c25;i=6f;b=abb5a85cf15a4e74a6f2e4f833a16c16;m=5aa7e0d1;t=660e09a3a4df6;x=a241af9e9ab2110f",
    "a=1;b=2", "s=" + String(repeating: "f", count: 510),
  ])
  func takesCursors(text: String) {
    #expect(JournalCursor(text)?.text == text)
  }

  @Test(arguments: [
    "", "s", "s=", "=1", "s=1;", ";s=1", "s=1;;i=2", "s=G", "S=1", "ss=1", "s=1 ", "s=1\n", "s==1", "s=1;i",
    "--help",
    "s=１", "s=A", "s=1;i=", "s=" + String(repeating: "f", count: 511),
  ])
  func refusesOtherCursors(text: String) {
    #expect(JournalCursor(text) == nil)
  }

  /// By the numbers of one sequence, by the clock of one boot, and else by the wall clock.
  @Test(
    arguments: [
      ("s=a;i=9;b=1;m=9;t=9", "s=a;i=a;b=1;m=1;t=1", true), ("s=a;i=9;t=1", "s=b;i=a;t=2", true),
      ("s=a;i=1;b=1;m=8;t=9", "s=b;i=1;b=1;m=9;t=8", true),
      ("s=a;i=1;b=1;m=8;t=8", "s=b;i=1;b=2;m=7;t=9", true),
      ("s=a;i=1;b=1;m=1;t=1", "s=a;i=1;b=1;m=1;t=1", false), ("s=a", "s=a", false),
      ("s=a;i=1", "s=a;i=fffffffffffffffff", false),
    ])
  func ordersCursors(first: String, second: String, precedes: Bool) throws {
    let (first, second) = (try #require(JournalCursor(first)), try #require(JournalCursor(second)))
    #expect(first.precedes(second) == precedes)
    #expect(!second.precedes(first))
  }

  /// A copy differs in the sequence and the number alone.
  @Test(
    arguments: [
      ("s=a;i=1;b=1;m=8;t=9;x=7", "s=a;i=1;b=1;m=8;t=9;x=7", true),
      ("s=a;i=1;b=1;m=8;t=9;x=7", "s=b;i=5;b=1;m=8;t=9;x=7", true),
      ("s=a;i=1;b=1;m=8;t=9;x=7", "s=a;i=2;b=1;m=8;t=9;x=7", false),
      ("s=a;i=1;b=1;m=8;t=9;x=7", "s=b;i=1;b=1;m=8;t=9;x=6", false),
      ("s=a;i=1;b=1;m=8;t=9;x=7", "s=b;i=1;b=2;m=8;t=9;x=7", false), ("s=a", "s=b", false),
      ("b=1;m=8;t=4", "s=b;i=1;b=1;m=8;t=9;x=6", false),
    ])
  func tellsCopies(first: String, second: String, areSame: Bool) throws {
    let (first, second) = (try #require(JournalCursor(first)), try #require(JournalCursor(second)))
    #expect(first.isSameEntry(as: second) == areSame && second.isSameEntry(as: first) == areSame)
  }

  @Test func rightBeforeAnEntryIsNoEntry() throws {
    let cursor = try #require(JournalCursor("s=a;i=9;b=1;m=10;t=30;x=7"))
    #expect(cursor.justBefore?.text == "b=1;m=f;t=30" && cursor.justBefore?.precedes(cursor) == true)
    #expect(JournalCursor("s=a")?.justBefore == nil && JournalCursor("s=a;b=1;m=0;t=1")?.justBefore == nil)
  }
}
