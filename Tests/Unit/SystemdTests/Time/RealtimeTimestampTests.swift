import Foundation
import TestHelpers
import Testing

@testable import Systemd

@Suite struct RealtimeTimestampTests {
  @Test(
    arguments: [
      ("Thu 1970-01-01 00:00:00 UTC", 0),
      ("Thu 1970-01-01 00:00:00.000001 UTC", 1),
      ("Sun 2026-11-22 17:11:40.452823 UTC", 1_795_367_500_452_823),
      ("Thu 2000-02-29 23:59:59.5 UTC", 951_868_799_500_000),
      ("Thu 2024-02-29 00:00:00 UTC", 1_709_164_800_000_000),
      ("Sun 2100-02-28 23:59:59 UTC", 4_107_542_399_000_000),
      ("Mon 2100-03-01 00:00:00 UTC", 4_107_542_400_000_000),
      ("Tue 2038-01-19 03:14:08 UTC", 2_147_483_648_000_000),
      // The day of the week is not checked.
      ("xxx 2026-11-22 17:11:40 UTC", 1_795_367_500_000_000),
      ("Fri 9999-12-31 23:59:59.999999 UTC", 253_402_300_799_999_999),
    ] as [(String, UInt64)])
  func reads(text: String, microseconds: UInt64) {
    #expect(RealtimeTimestamp(text)?.microseconds == microseconds)
  }

  @Test(arguments: [
    "", "n/a", "0", "infinity", "Sun 2026-11-22 17:11:40 CET", "2026-11-22 17:11:40 UTC",
    "Sun 2026-11-22 17:11 UTC",
    "Sun 2026-13-22 17:11:40 UTC", "Sun 2026-00-22 17:11:40 UTC", "Sun 2026-11-31 17:11:40 UTC",
    "Sun 2026-02-29 17:11:40 UTC", "Thu 2100-02-29 17:11:40 UTC", "Sun 2026-11-00 17:11:40 UTC",
    "Mon 2026-02-30 17:11:40 UTC", "Fri 2024-02-30 17:11:40 UTC", "Tue 2026-06-31 17:11:40 UTC",
    "Mon 1900-02-29 17:11:40 UTC", "Sun 2026-11-32 17:11:40 UTC", "Sun 2026-11-99 17:11:40 UTC",
    "Thu 1970-01-00 00:00:00 UTC", "Thu 1970-00-01 00:00:00 UTC", "Fri 9999-12-31 23:59:60 UTC",
    "Sun 2026-11-22 99:99:99 UTC", "Sun 0000-01-01 00:00:00 UTC", "Sun 2026-1-22 17:11:40 UTC",
    "Sun 2026-11-22 24:11:40 UTC", "Sun 2026-11-22 17:60:40 UTC", "Sun 2026-11-22 17:11:60 UTC",
    "Sun 2026-11-22 17:11:40. UTC", "Sun 2026-11-22 17:11:40.1234567 UTC", "Sun 2026-11-22 17:11:40.-1 UTC",
    "Sun 2026-11-22 17:11:+4 UTC", "Sun 1969-12-31 23:59:59 UTC", "Sun  2026-11-22 17:11:40 UTC",
    "Sun 2026-11-22 17:11:40 UTC ", "Sun 20261-11-22 17:11:40 UTC", "Sun ２０２６-11-22 17:11:40 UTC",
    "Sun 2026-11-22 17:11:40.452823 UTC\n",
  ])
  func refuses(text: String) {
    #expect(RealtimeTimestamp(text) == nil)
  }

  @Test func agreesWithFoundation() throws {
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.timeZone = TimeZone(identifier: "UTC")
    formatter.dateFormat = "EEE yyyy-MM-dd HH:mm:ss 'UTC'"
    var random = SeededGenerator(seed: 3)
    for _ in 0..<5_000 {
      let seconds = UInt64.random(in: 0...253_402_300_799, using: &random)
      let text = formatter.string(from: Date(timeIntervalSince1970: Double(seconds)))
      #expect(RealtimeTimestamp(text)?.microseconds == seconds * 1_000_000, "\(text)")
    }
  }

  /// Each day of four centuries, which is the period of the calendar.
  @Test func everyDayIsReadAsItIsWritten() {
    for day in UInt64(0)..<146_097 {
      let time = RealtimeTimestamp(microseconds: day * 86_400_000_000 + 1)
      let text = time.description
      let read = RealtimeTimestamp("Mon \(text.prefix(10)) \(text.dropFirst(11).dropLast()) UTC")
      if read != time { Issue.record("\(text) is read as \(String(describing: read))") }
    }
  }

  @Test func isOrdered() {
    #expect(RealtimeTimestamp(microseconds: 1) < RealtimeTimestamp(microseconds: 2))
  }

  @Test(
    arguments: [
      (0, "1970-01-01T00:00:00.000000Z"), (1, "1970-01-01T00:00:00.000001Z"),
      (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
      (951_868_799_999_999, "2000-02-29T23:59:59.999999Z"),
      (951_868_800_000_000, "2000-03-01T00:00:00.000000Z"),
      (1_709_164_800_000_000, "2024-02-29T00:00:00.000000Z"),
      (1_735_603_200_000_000, "2024-12-31T00:00:00.000000Z"),
      (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"),
      (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
      (.max, "586524-01-19T08:01:49.551615Z"),
      (4_102_444_799_000_000, "2099-12-31T23:59:59.000000Z"),
    ] as [(UInt64, String)])
  func asText(microseconds: UInt64, text: String) {
    #expect(RealtimeTimestamp(microseconds: microseconds).description == text)
  }
}
