import Testing

@testable import MessagePack

@Suite struct SpecificationVectorTests {
  @Test(arguments: SpecificationVectors.values)
  func valueIsReadFromEveryForm(vector: Vector) throws {
    for encoding in vector.encodings {
      #expect(try MessagePackDecoder().decode(encoding) == vector.value, "\(hex(encoding))")
    }
  }

  @Test(arguments: SpecificationVectors.values)
  func valueIsWrittenInTheShortestForm(vector: Vector) throws {
    #expect(try MessagePackEncoder().encode(vector.value) == vector.encodings.first)
  }

  @Test(arguments: SpecificationVectors.numbers)
  func numberIsReadFromEveryForm(vector: NumberVector) throws {
    let decoder = MessagePackDecoder()
    for encoding in vector.integers {
      #expect(try decoder.decode(encoding) == .integer(vector.number), "\(hex(encoding))")
    }
    for encoding in vector.floats {
      #expect(try decoder.decode(encoding) == .float(Double(vector.number)), "\(hex(encoding))")
    }
    for encoding in vector.integers + vector.floats {
      #expect(try decoder.decode(Int128.self, from: encoding) == vector.number, "\(hex(encoding))")
    }
  }

  @Test(arguments: SpecificationVectors.numbers)
  func numberIsWrittenInTheShortestForm(vector: NumberVector) throws {
    #expect(try MessagePackEncoder().encode(.integer(vector.number)) == vector.integers.first)
  }

  /// Every format byte that the specification assigns, except those for containers, stands in the table.
  @Test func tableCoversEveryFormat() {
    let first = Set(SpecificationVectors.encodings.compactMap(\.first))
    let missing = (UInt8(0xc0)...0xdf).filter { $0 != 0xc1 && !first.contains($0) }
    #expect(missing.isEmpty, "\(hex(missing))")
  }

  @Test func specialFloats() throws {
    let decoder = MessagePackDecoder()
    for (value, encoding) in [
      (Double.infinity, "ca 7f 80 00 00"), (-.infinity, "ca ff 80 00 00"), (-0.0, "ca 80 00 00 00"),
      (0.1, "cb 3f b9 99 99 99 99 99 9a"), (.greatestFiniteMagnitude, "cb 7f ef ff ff ff ff ff ff"),
      (.leastNonzeroMagnitude, "cb 00 00 00 00 00 00 00 01"), (.nan, "ca 7f c0 00 00"),
    ] {
      #expect(try MessagePackEncoder().encode(.float(value)) == bytes(encoding))
      #expect(try decoder.decode(Double.self, from: bytes(encoding)).bitPattern == value.bitPattern)
    }
    #expect(try decoder.decode(Double.self, from: bytes("cb 7f f0 00 00 00 00 00 00")) == .infinity)
    #expect(try decoder.decode(Double.self, from: bytes("cb 7f f8 00 00 00 00 00 00")).isNaN)
  }
}
