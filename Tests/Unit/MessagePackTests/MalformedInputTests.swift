import TestHelpers
import Testing

@testable import MessagePack

@Suite struct MalformedInputTests {
  @Test(
    arguments: [
      ("", 0, .truncated(count: 1, available: 0)),
      ("c1", 0, .reservedFormat),
      ("92 00 c1", 2, .reservedFormat),
      ("c0 c0", 1, .trailingBytes(count: 1)),
      ("cd 01", 1, .truncated(count: 2, available: 1)),
      ("cf 01 02 03", 1, .truncated(count: 8, available: 3)),
      ("cb 3f", 1, .truncated(count: 8, available: 1)),
      ("a3 61 62", 1, .truncated(count: 3, available: 2)),
      ("d9", 1, .truncated(count: 1, available: 0)),
      ("db ff ff ff ff 61", 5, .truncated(count: 4_294_967_295, available: 1)),
      ("c6 7f ff ff ff", 5, .truncated(count: 2_147_483_647, available: 0)),
      ("c9 ff ff ff ff 05 00", 6, .truncated(count: 4_294_967_295, available: 1)),
      ("d8 05 00", 2, .truncated(count: 16, available: 1)),
      ("92 01", 0, .countTooLarge(count: 2)),
      ("82 01 02 03", 0, .countTooLarge(count: 2)),
      ("dd ff ff ff ff 00", 0, .countTooLarge(count: 4_294_967_295)),
      ("df ff ff ff ff 00 00", 0, .countTooLarge(count: 4_294_967_295)),
      ("df 80 00 00 00", 0, .countTooLarge(count: 2_147_483_648)),
      // The outer array needs a byte for its second element, so the inner one has none left for its own.
      ("92 91 00", 1, .countTooLarge(count: 1)),
      ("a1 ff", 1, .invalidUTF8),
      ("a2 c0 80", 1, .invalidUTF8),
      ("a3 ed a0 80", 1, .invalidUTF8),
      ("a4 f4 90 80 80", 1, .invalidUTF8),
      ("91 a2 e2 82", 2, .invalidUTF8),
      ("d4 ff 00", 2, .invalidTimestamp),
      ("c7 00 ff", 3, .invalidTimestamp),
      ("d8 ff 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00", 2, .invalidTimestamp),
      ("d7 ff ee 6b 28 00 00 00 00 00", 2, .invalidTimestamp),
      ("c7 0c ff 3b 9a ca 00 00 00 00 00 00 00 00 00", 3, .invalidTimestamp),
      ("c7 0c ff 00 00 00 00 00 00", 7, .truncated(count: 8, available: 2)),
    ] as [(String, Int, MessagePackError.Reason)])
  func errorTellsOffsetAndReason(input: String, offset: Int, reason: MessagePackError.Reason) {
    let error = #expect(throws: MessagePackError.self) { try MessagePackDecoder().decode(bytes(input)) }
    #expect(error?.offset == offset)
    #expect(error?.reason == reason)
    #expect(error?.expected.isEmpty == false)
  }

  @Test func errorReadsWell() {
    let error = #expect(throws: MessagePackError.self) {
      try MessagePackDecoder().decode(bytes("91 a5 61 62"))
    }
    #expect(
      error?.description == """
        malformed MessagePack at byte 2: expected a string of 5 bytes, but at least 5 more bytes are needed \
        and 2 are left
        """)
  }

  @Test func everyProperPrefixIsAnError() throws {
    var generator = SeededGenerator(seed: 0x7072_6566_6978)
    let generated = try (0..<200).map { _ in
      try MessagePackEncoder().encode(.random(depth: 3, using: &generator))
    }
    for encoding in SpecificationVectors.encodings + generated.filter({ $0.count < 1_000 }) {
      for count in encoding.indices {
        #expect(throws: MessagePackError.self, "\(hex(encoding)) cut to \(count)") {
          try MessagePackDecoder().decode(Array(encoding.prefix(count)))
        }
      }
    }
  }

  @Test func everySingleByteMutationDecodesOrThrows() throws {
    var decoded = 0
    var refused = 0
    for encoding in SpecificationVectors.encodings {
      for position in encoding.indices {
        for mask in [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff] as [UInt8] {
          var mutation = encoding
          mutation[position] ^= mask
          try decodesOrThrows(mutation, "mutation \(hex(mutation))") ? (decoded += 1) : (refused += 1)
        }
      }
    }
    #expect(decoded > 1_000)
    #expect(refused > 1_000)
  }

  @Test(arguments: [0x6675_7a7a_2031 as UInt64])
  func randomBytesDecodeOrThrow(seed: UInt64) throws {
    print("MessagePack fuzz seed: \(seed)")
    var generator = SeededGenerator(seed: seed)
    var decoded = 0
    let count = 200_000
    for _ in 0..<count {
      let length = Int.random(in: 1...16, using: &generator)
      // Uniform bytes seldom nest: half of the inputs are made of format bytes and small numbers.
      let structured = Bool.random(using: &generator)
      let input = (0..<length).map { _ -> UInt8 in
        let byte = UInt8(truncatingIfNeeded: generator.next())
        guard structured else { return byte }
        return byte & 0x20 == 0 ? 0x80 | byte & 0x5f : byte & 0x03
      }
      if try decodesOrThrows(input, "seed \(seed), input \(hex(input))") { decoded += 1 }
    }
    #expect(decoded > 0)
    #expect(decoded < count)
  }

  /// Whether the input decodes; what does must survive being encoded, in no more bytes than it had.
  private func decodesOrThrows(_ input: [UInt8], _ comment: @autoclosure () -> Comment) throws -> Bool {
    let value: MessagePackValue
    do {
      value = try MessagePackDecoder().decode(input)
    } catch {
      guard error.offset >= 0, error.offset <= input.count else {
        Issue.record("\(comment()): offset \(error.offset)")
        return false
      }
      return false
    }
    let encoding = try MessagePackEncoder().encode(value)
    // Encodings are compared instead of values, as NaN is not equal to itself.
    let again = try MessagePackEncoder().encode(try MessagePackDecoder().decode(encoding))
    if encoding.count > input.count || again != encoding {
      Issue.record("\(comment()): \(hex(encoding)), then \(hex(again))")
    }
    return true
  }
}
