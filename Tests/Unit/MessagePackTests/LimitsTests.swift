import Testing

@testable import MessagePack

@Suite struct LimitsTests {
  private func nested(_ depth: Int, _ format: [UInt8]) -> [UInt8] {
    (0..<depth).flatMap { _ in format } + [0xc0]
  }

  @Test(arguments: [[0x91], [0xdc, 0, 1], [0x81, 0xc0], [0xde, 0, 1, 0xa0]] as [[UInt8]])
  func depth(format: [UInt8]) throws {
    let decoder = MessagePackDecoder()
    let value = try decoder.decode(nested(64, format))
    #expect(try decoder.decode(try MessagePackEncoder().encode(value)) == value)
    for depth in [65, 66, 100_000] {
      let error = #expect(throws: MessagePackError.self) { try decoder.decode(nested(depth, format)) }
      #expect(error?.reason == .tooDeep(limit: 64))
      #expect(error?.offset == 64 * format.count)
    }
  }

  @Test func depthThroughKeysOfMaps() throws {
    let input = [UInt8](repeating: 0x81, count: 65) + [UInt8](repeating: 0xc0, count: 66)
    let error = #expect(throws: MessagePackError.self) { try MessagePackDecoder().decode(input) }
    #expect(error?.reason == .tooDeep(limit: 64))
  }

  @Test func depthCanBeSet() throws {
    let flat = MessagePackDecoder(limits: MessagePackLimits(depth: 0))
    #expect(try flat.decode([0x07]) == 7)
    let error = #expect(throws: MessagePackError.self) { try flat.decode([0x90]) }
    #expect(error?.reason == .tooDeep(limit: 0))

    #expect(MessagePackLimits(depth: .max).depth == 512)
    #expect(MessagePackLimits(depth: -1).depth == 0)
    let deep = MessagePackDecoder(limits: MessagePackLimits(depth: .max))
    #expect(throws: Never.self) { try deep.decode(nested(512, [0x91])) }
    #expect(throws: MessagePackError.self) { try deep.decode(nested(513, [0x91])) }
  }

  @Test func encoderKeepsToTheDepth() throws {
    let value = (0..<65).reduce(MessagePackValue.nil) { value, _ in [value] }
    #expect(throws: EncodingError.self) { try MessagePackEncoder().encode(value) }
    let encoder = MessagePackEncoder(limits: MessagePackLimits(depth: 65))
    #expect(try encoder.encode(value) == nested(65, [0x91]))
  }

  @Test func byteCount() throws {
    let limits = MessagePackLimits(byteCount: 4)
    #expect(try MessagePackDecoder(limits: limits).decode(bytes("a3 61 62 63")) == "abc")
    #expect(try MessagePackEncoder(limits: limits).encode("abc") == bytes("a3 61 62 63"))

    let error = #expect(throws: MessagePackError.self) {
      try MessagePackDecoder(limits: limits).decode(bytes("a4 61 62 63 64"))
    }
    #expect(error?.reason == .tooLarge(limit: 4))
    #expect(error?.offset == 4)
    #expect(throws: EncodingError.self) { try MessagePackEncoder(limits: limits).encode("abcd") }
    #expect(throws: MessagePackError.self) {
      try MessagePackDecoder(limits: MessagePackLimits(byteCount: -1)).decode([0xc0])
    }
  }

  @Test func defaultByteCountIsSixteenMebibytes() throws {
    let most = 16 * 1024 * 1024
    var input = [0xc6] + bytes("00 ff ff fb") + [UInt8](repeating: 0, count: most - 5)
    #expect(throws: Never.self) { try MessagePackDecoder().decode(input) }
    input.append(0)
    let error = #expect(throws: MessagePackError.self) { try MessagePackDecoder().decode(input) }
    #expect(error?.reason == .tooLarge(limit: most))
  }

  /// Each array claims every byte that is left: if the claims were believed level by level, the memory set
  /// aside would be the depth times what the input can hold.
  @Test func claimsOfNestedArraysAreNotAddedUp() throws {
    let levels = 60
    let count = 1024 * 1024
    var input: [UInt8] = []
    for level in 1...levels {
      let claim = UInt32(count - 5 * level)
      input += [0xdd] + (0..<4).map { UInt8(truncatingIfNeeded: claim >> (24 - 8 * $0)) }
    }
    input += [UInt8](repeating: 0xc0, count: count - input.count)
    let error = #expect(throws: MessagePackError.self) { try MessagePackDecoder().decode(input) }
    #expect(error?.offset == 5)
    #expect(error?.reason == .countTooLarge(count: count - 10))
  }
}
