import Testing

@testable import Systemd

@Suite struct TimeSpanTests {
  @Test(
    arguments: [
      ("0", .finite(.zero)), ("infinity", .infinity), ("1min 30s", .finite(.seconds(90))),
      ("500ms", .finite(.milliseconds(500))), ("5.123456s", .finite(.microseconds(5_123_456))),
      ("1.5s", .finite(.milliseconds(1500))), ("7us", .finite(.microseconds(7))),
      ("7μs", .finite(.microseconds(7))),
      ("1y 2month 3w 4d 5h 6min 7s 8ms 9us", .finite(.microseconds(38_995_567_008_009))),
      ("18446744073709551615us", .finite(.seconds(18_446_744_073_709) + .microseconds(551_615))),
      ("0.000000001s", .finite(.zero)),
    ] as [(String, TimeSpan)])
  func reads(text: String, span: TimeSpan) {
    #expect(TimeSpan(text) == span)
  }

  @Test(arguments: [
    "", " ", "1", "s", "-1s", "1x", "1.s", ".5s", "1.2.3s", "1s ", "1s  2s", "18446744073709551616us",
    "600000y",
    "18446744073709551615us 1us", "1.0000000001s", "1 s", "１s", "infinity 1s", "[not set]",
  ])
  func refuses(text: String) {
    #expect(TimeSpan(text) == nil)
  }
}
