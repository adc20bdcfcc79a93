import Foundation
import SwiftProtobuf
import Testing

@testable import NomadPlugin

@Suite struct TimeTests {
  private static let earliest = Google_Protobuf_Timestamp(seconds: -62_135_596_800, nanos: 0)
  private static let latest = Google_Protobuf_Timestamp(seconds: 253_402_300_799, nanos: 0)

  @Test(
    arguments: [
      (nil, earliest),
      (0, Google_Protobuf_Timestamp(seconds: 0, nanos: 0)),
      (-0.25, Google_Protobuf_Timestamp(seconds: -1, nanos: 750_000_000)),
      (-1e300, earliest),
      (1e300, latest),
      (.infinity, latest),
      (.nan, earliest),
      (253_402_300_799, latest),
    ] as [(Double?, Google_Protobuf_Timestamp)])
  func timestampOfADate(seconds: Double?, timestamp: Google_Protobuf_Timestamp) {
    #expect(Google_Protobuf_Timestamp(seconds.map(Date.init(timeIntervalSince1970:))) == timestamp)
  }

  @Test func timestampsStayValid() {
    for _ in 0..<10_000 {
      let timestamp = Google_Protobuf_Timestamp(Date(timeIntervalSince1970: .random(in: -1e11...3e11)))
      #expect((0...999_999_999).contains(timestamp.nanos))
      #expect((Self.earliest.seconds...Self.latest.seconds).contains(timestamp.seconds))
    }
  }

  @Test(
    arguments: [
      (earliest, nil),
      (Google_Protobuf_Timestamp(seconds: 0, nanos: 0), Date(timeIntervalSince1970: 0)),
      (Google_Protobuf_Timestamp(seconds: 5, nanos: 500_000_000), Date(timeIntervalSince1970: 5.5)),
      (Google_Protobuf_Timestamp(seconds: .max, nanos: 0), nil),
      (Google_Protobuf_Timestamp(seconds: .min, nanos: 0), nil),
      (Google_Protobuf_Timestamp(seconds: 5, nanos: -1), nil),
      (Google_Protobuf_Timestamp(seconds: 5, nanos: .max), nil),
    ] as [(Google_Protobuf_Timestamp, Date?)])
  func dateOfATimestamp(timestamp: Google_Protobuf_Timestamp, date: Date?) {
    #expect(timestamp.date == date)
  }

  private static let century: Int64 = 100 * 365 * 86_400

  @Test(arguments: [
    (Duration.zero, Google_Protobuf_Duration(seconds: 0, nanos: 0)),
    (.milliseconds(1500), Google_Protobuf_Duration(seconds: 1, nanos: 500_000_000)),
    (.milliseconds(-1500), Google_Protobuf_Duration(seconds: -1, nanos: -500_000_000)),
    (.seconds(Int64.max), Google_Protobuf_Duration(seconds: century, nanos: 0)),
    (.seconds(Int64.min), Google_Protobuf_Duration(seconds: -century, nanos: 0)),
  ])
  func durationToTheWire(duration: Duration, wire: Google_Protobuf_Duration) {
    #expect(Google_Protobuf_Duration(duration) == wire)
  }

  @Test(arguments: [
    (Google_Protobuf_Duration(), Duration.zero),
    (Google_Protobuf_Duration(seconds: 1, nanos: 500_000_000), .milliseconds(1500)),
    (Google_Protobuf_Duration(seconds: -1, nanos: 0), .zero),
    (Google_Protobuf_Duration(seconds: 0, nanos: -1), .zero),
    (Google_Protobuf_Duration(seconds: 1, nanos: -500_000_000), .milliseconds(500)),
    (Google_Protobuf_Duration(seconds: 0, nanos: .max), .nanoseconds(2_147_483_647)),
    (Google_Protobuf_Duration(seconds: .max, nanos: .max), .seconds(century)),
    (Google_Protobuf_Duration(seconds: .min, nanos: .min), .zero),
  ])
  func durationFromTheWire(wire: Google_Protobuf_Duration, duration: Duration) {
    #expect(wire.nonnegative == duration)
  }
}
