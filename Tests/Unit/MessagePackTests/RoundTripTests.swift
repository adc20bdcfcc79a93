import TestHelpers
import Testing

@testable import MessagePack

@Suite struct RoundTripTests {
  @Test(arguments: [0x6d73_6770_6163_6b01 as UInt64])
  func generatedValues(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    for _ in 0..<3_000 {
      let value = MessagePackValue.random(depth: 4, using: &generator)
      let encoding = try MessagePackEncoder().encode(value)
      #expect(try MessagePackDecoder().decode(encoding) == value, "seed \(seed)")
    }
  }

  @Test func integersAroundEveryPowerOfTwo() throws {
    for exponent in 0...64 {
      for offset: Int128 in -2...2 {
        for integer in [(1 as Int128) << exponent + offset, -((1 as Int128) << exponent) + offset] {
          guard (Int128(Int64.min)...Int128(UInt64.max)).contains(integer) else { continue }
          let encoding = try MessagePackEncoder().encode(.integer(integer))
          #expect(try MessagePackDecoder().decode(encoding) == .integer(integer))
          #expect(encoding.count == shortestLength(integer), "\(integer)")
        }
      }
    }
  }

  private func shortestLength(_ integer: Int128) -> Int {
    if (-32...127).contains(integer) { return 1 }
    for width in [8, 16, 32] where (-(1 << (width - 1))..<(1 << width)).contains(integer) {
      return 1 + width / 8
    }
    return 9
  }

  /// The lengths at which the format of the header changes, each with the length of its header.
  @Test(arguments: [
    (0, 1, 2, 1), (15, 1, 2, 1), (16, 1, 2, 3), (31, 1, 2, 3), (32, 2, 2, 3), (255, 2, 2, 3), (256, 3, 3, 3),
    (65_535, 3, 3, 3), (65_536, 5, 5, 5),
  ])
  func lengths(count: Int, string: Int, binary: Int, array: Int) throws {
    let values: [(MessagePackValue, Int)] = [
      (.string(String(repeating: "x", count: count)), string + count),
      (.binary([UInt8](repeating: 7, count: count)), binary + count),
      (.array([MessagePackValue](repeating: .nil, count: count)), array + count),
      (
        .map([MessagePackValue.MapEntry](repeating: .init(key: .nil, value: 1), count: count)),
        array + 2 * count
      ),
    ]
    for (value, length) in values {
      let encoding = try MessagePackEncoder().encode(value)
      #expect(encoding.count == length)
      #expect(try MessagePackDecoder().decode(encoding) == value)
    }
  }

  @Test(arguments: [
    (0, 3), (1, 2), (2, 2), (3, 3), (4, 2), (8, 2), (12, 3), (16, 2), (17, 3), (255, 3), (256, 4),
    (65_535, 4), (65_536, 6),
  ])
  func extensionLengths(count: Int, header: Int) throws {
    let value = MessagePackValue.ext(type: -128, data: [UInt8](repeating: 9, count: count))
    let encoding = try MessagePackEncoder().encode(value)
    #expect(encoding.count == header + count)
    #expect(try MessagePackDecoder().decode(encoding) == value)
  }

  @Test func mapsKeepOrderAndAnyKey() throws {
    let value: MessagePackValue = [
      "z": 1, nil: 2, 1.5: true, ["a"]: ["b": nil], "a": "x", "z": -7,
    ]
    let encoding = try MessagePackEncoder().encode(value)
    #expect(hex(encoding) == "86 a1 7a 01 c0 02 ca 3f c0 00 00 c3 91 a1 61 81 a1 62 c0 a1 61 a1 78 a1 7a f9")
    #expect(try MessagePackDecoder().decode(encoding) == value)
  }

  @Test func encoderRefusesWhatTheFormatCannotHold() throws {
    for value: MessagePackValue in [
      .integer(Int128(UInt64.max) + 1), .integer(Int128(Int64.min) - 1), .ext(type: -1, data: [0, 0, 0, 0]),
      ["a": [.integer(.max)]],
    ] {
      #expect(throws: EncodingError.self) { try MessagePackEncoder().encode(value) }
    }
    #expect(MessagePackTimestamp(seconds: 0, nanoseconds: 1_000_000_000) == nil)
  }
}
