@testable import MessagePack

/// The cases of the public msgpack-test-suite, by its groups.
enum SpecificationVectors {
  static let nilVectors = [
    Vector(.nil, "c0")
  ]

  static let booleans = [
    Vector(.bool(false), "c2"),
    Vector(.bool(true), "c3"),
  ]

  static let binary = [
    Vector(.binary([]), "c4 00", "c5 00 00", "c6 00 00 00 00"),
    Vector(.binary([0x01]), "c4 01 01", "c5 00 01 01", "c6 00 00 00 01 01"),
    Vector(.binary([0x00, 0xff]), "c4 02 00 ff", "c5 00 02 00 ff", "c6 00 00 00 02 00 ff"),
  ]

  static let positiveNumbers = [
    NumberVector(
      0,
      [
        "00", "cc 00", "d0 00", "cd 00 00", "d1 00 00", "ce 00 00 00 00", "d2 00 00 00 00",
        "cf 00 00 00 00 00 00 00 00", "d3 00 00 00 00 00 00 00 00",
      ], floats: ["ca 00 00 00 00", "cb 00 00 00 00 00 00 00 00"]),
    NumberVector(
      1,
      [
        "01", "cc 01", "d0 01", "cd 00 01", "d1 00 01", "ce 00 00 00 01", "d2 00 00 00 01",
        "cf 00 00 00 00 00 00 00 01", "d3 00 00 00 00 00 00 00 01",
      ], floats: ["ca 3f 80 00 00", "cb 3f f0 00 00 00 00 00 00"]),
    NumberVector(
      127,
      [
        "7f", "cc 7f", "d0 7f", "cd 00 7f", "d1 00 7f", "ce 00 00 00 7f", "d2 00 00 00 7f",
        "cf 00 00 00 00 00 00 00 7f", "d3 00 00 00 00 00 00 00 7f",
      ]),
    NumberVector(
      128,
      [
        "cc 80", "cd 00 80", "d1 00 80", "ce 00 00 00 80", "d2 00 00 00 80", "cf 00 00 00 00 00 00 00 80",
        "d3 00 00 00 00 00 00 00 80",
      ]),
    NumberVector(
      255,
      [
        "cc ff", "cd 00 ff", "d1 00 ff", "ce 00 00 00 ff", "d2 00 00 00 ff", "cf 00 00 00 00 00 00 00 ff",
        "d3 00 00 00 00 00 00 00 ff",
      ]),
    NumberVector(
      256,
      [
        "cd 01 00", "d1 01 00", "ce 00 00 01 00", "d2 00 00 01 00", "cf 00 00 00 00 00 00 01 00",
        "d3 00 00 00 00 00 00 01 00",
      ]),
    NumberVector(
      65535,
      [
        "cd ff ff", "ce 00 00 ff ff", "d2 00 00 ff ff", "cf 00 00 00 00 00 00 ff ff",
        "d3 00 00 00 00 00 00 ff ff",
      ]),
    NumberVector(
      65536,
      ["ce 00 01 00 00", "d2 00 01 00 00", "cf 00 00 00 00 00 01 00 00", "d3 00 00 00 00 00 01 00 00"]),
    NumberVector(
      2147483647,
      ["ce 7f ff ff ff", "d2 7f ff ff ff", "cf 00 00 00 00 7f ff ff ff", "d3 00 00 00 00 7f ff ff ff"]),
    NumberVector(
      2147483648, ["ce 80 00 00 00", "cf 00 00 00 00 80 00 00 00", "d3 00 00 00 00 80 00 00 00"],
      floats: ["ca 4f 00 00 00", "cb 41 e0 00 00 00 00 00 00"]),
    NumberVector(
      4294967295, ["ce ff ff ff ff", "cf 00 00 00 00 ff ff ff ff", "d3 00 00 00 00 ff ff ff ff"],
      floats: ["cb 41 ef ff ff ff e0 00 00"]),
  ]

  static let negativeNumbers = [
    NumberVector(
      -1, ["ff", "d0 ff", "d1 ff ff", "d2 ff ff ff ff", "d3 ff ff ff ff ff ff ff ff"],
      floats: ["ca bf 80 00 00", "cb bf f0 00 00 00 00 00 00"]),
    NumberVector(
      -32, ["e0", "d0 e0", "d1 ff e0", "d2 ff ff ff e0", "d3 ff ff ff ff ff ff ff e0"],
      floats: ["ca c2 00 00 00", "cb c0 40 00 00 00 00 00 00"]),
    NumberVector(-33, ["d0 df", "d1 ff df", "d2 ff ff ff df", "d3 ff ff ff ff ff ff ff df"]),
    NumberVector(-128, ["d0 80", "d1 ff 80", "d2 ff ff ff 80", "d3 ff ff ff ff ff ff ff 80"]),
    NumberVector(-256, ["d1 ff 00", "d2 ff ff ff 00", "d3 ff ff ff ff ff ff ff 00"]),
    NumberVector(-32768, ["d1 80 00", "d2 ff ff 80 00", "d3 ff ff ff ff ff ff 80 00"]),
    NumberVector(-65536, ["d2 ff ff 00 00", "d3 ff ff ff ff ff ff 00 00"]),
    NumberVector(
      -2147483648, ["d2 80 00 00 00", "d3 ff ff ff ff 80 00 00 00"], floats: ["cb c1 e0 00 00 00 00 00 00"]),
  ]

  static let fractions = [
    Vector(.float(0.5), "ca 3f 00 00 00", "cb 3f e0 00 00 00 00 00 00"),
    Vector(.float(-0.5), "ca bf 00 00 00", "cb bf e0 00 00 00 00 00 00"),
  ]

  static let bigNumbers = [
    NumberVector(
      4294967296, ["cf 00 00 00 01 00 00 00 00", "d3 00 00 00 01 00 00 00 00"],
      floats: ["ca 4f 80 00 00", "cb 41 f0 00 00 00 00 00 00"]),
    NumberVector(-4294967296, ["d3 ff ff ff ff 00 00 00 00"], floats: ["cb c1 f0 00 00 00 00 00 00"]),
    NumberVector(
      281474976710656, ["cf 00 01 00 00 00 00 00 00", "d3 00 01 00 00 00 00 00 00"],
      floats: ["ca 57 80 00 00", "cb 42 f0 00 00 00 00 00 00"]),
    NumberVector(
      -281474976710656, ["d3 ff ff 00 00 00 00 00 00"],
      floats: ["ca d7 80 00 00", "cb c2 f0 00 00 00 00 00 00"]),
    NumberVector(9223372036854775807, ["cf 7f ff ff ff ff ff ff ff", "d3 7f ff ff ff ff ff ff ff"]),
    NumberVector(-9223372036854775807, ["d3 80 00 00 00 00 00 00 01"]),
    NumberVector(9223372036854775808, ["cf 80 00 00 00 00 00 00 00"]),
    NumberVector(-9223372036854775808, ["d3 80 00 00 00 00 00 00 00"]),
    NumberVector(18446744073709551615, ["cf ff ff ff ff ff ff ff ff"]),
  ]

  /// The bytes of the text 1234567890123456789012345678901.
  private static let digits =
    "31 32 33 34 35 36 37 38 39 30 31 32 33 34 35 36 37 38 39 30 31 32 33 34 35 36 37 38 39 30 31"

  static let asciiStrings = [
    Vector(.string(""), "a0", "d9 00", "da 00 00", "db 00 00 00 00"),
    Vector(.string("a"), "a1 61", "d9 01 61", "da 00 01 61", "db 00 00 00 01 61"),
    Vector(
      .string("1234567890123456789012345678901"),
      "bf \(digits)",
      "d9 1f \(digits)",
      "da 00 1f \(digits)"),
    Vector(
      .string("12345678901234567890123456789012"),
      "d9 20 \(digits) 32",
      "da 00 20 \(digits) 32"
    ),
  ]

  static let utf8Strings = [
    Vector(
      .string("Кириллица"), "b2 d0 9a d0 b8 d1 80 d0 b8 d0 bb d0 bb d0 b8 d1 86 d0 b0",
      "d9 12 d0 9a d0 b8 d1 80 d0 b8 d0 bb d0 bb d0 b8 d1 86 d0 b0"),
    Vector(
      .string("ひらがな"), "ac e3 81 b2 e3 82 89 e3 81 8c e3 81 aa", "d9 0c e3 81 b2 e3 82 89 e3 81 8c e3 81 aa"),
    Vector(.string("한글"), "a6 ed 95 9c ea b8 80", "d9 06 ed 95 9c ea b8 80"),
    Vector(.string("汉字"), "a6 e6 b1 89 e5 ad 97", "d9 06 e6 b1 89 e5 ad 97"),
    Vector(.string("漢字"), "a6 e6 bc a2 e5 ad 97", "d9 06 e6 bc a2 e5 ad 97"),
  ]

  static let emojiStrings = [
    Vector(.string("❤"), "a3 e2 9d a4", "d9 03 e2 9d a4"),
    Vector(.string("🍺"), "a4 f0 9f 8d ba", "d9 04 f0 9f 8d ba"),
  ]

  static let arrays = [
    Vector([], "90", "dc 00 00", "dd 00 00 00 00"),
    Vector([1], "91 01", "dc 00 01 01", "dd 00 00 00 01 01"),
    Vector(
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], "9f 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f",
      "dc 00 0f 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f",
      "dd 00 00 00 0f 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f"),
    Vector(
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
      "dc 00 10 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10",
      "dd 00 00 00 10 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10"),
    Vector(["a"], "91 a1 61", "dc 00 01 a1 61", "dd 00 00 00 01 a1 61"),
  ]

  static let maps = [
    Vector([:], "80", "de 00 00", "df 00 00 00 00"),
    Vector(["a": 1], "81 a1 61 01", "de 00 01 a1 61 01", "df 00 00 00 01 a1 61 01"),
    Vector(["a": "A"], "81 a1 61 a1 41", "de 00 01 a1 61 a1 41", "df 00 00 00 01 a1 61 a1 41"),
  ]

  static let nested = [
    Vector([[]], "91 90", "dc 00 01 dc 00 00", "dd 00 00 00 01 dd 00 00 00 00"),
    Vector([[:]], "91 80", "dc 00 01 80", "dd 00 00 00 01 80"),
    Vector(["a": [:]], "81 a1 61 80", "de 00 01 a1 61 de 00 00", "df 00 00 00 01 a1 61 df 00 00 00 00"),
    Vector(["a": []], "81 a1 61 90", "de 00 01 a1 61 90", "df 00 00 00 01 a1 61 90"),
  ]

  static let timestamps = [
    Vector(timestamp(1514862245, 0), "d6 ff 5a 4a f6 a5"),
    Vector(timestamp(1514862245, 678901234), "d7 ff a1 dc d7 c8 5a 4a f6 a5"),
    Vector(timestamp(2147483647, 999999999), "d7 ff ee 6b 27 fc 7f ff ff ff"),
    Vector(timestamp(2147483648, 0), "d6 ff 80 00 00 00"),
    Vector(timestamp(2147483648, 1), "d7 ff 00 00 00 04 80 00 00 00"),
    Vector(timestamp(4294967295, 0), "d6 ff ff ff ff ff"),
    Vector(timestamp(4294967295, 999999999), "d7 ff ee 6b 27 fc ff ff ff ff"),
    Vector(timestamp(4294967296, 0), "d7 ff 00 00 00 01 00 00 00 00"),
    Vector(timestamp(17179869183, 999999999), "d7 ff ee 6b 27 ff ff ff ff ff"),
    Vector(timestamp(17179869184, 0), "c7 0c ff 00 00 00 00 00 00 00 04 00 00 00 00"),
    Vector(timestamp(-1, 0), "c7 0c ff 00 00 00 00 ff ff ff ff ff ff ff ff"),
    Vector(timestamp(-1, 999999999), "c7 0c ff 3b 9a c9 ff ff ff ff ff ff ff ff ff"),
    Vector(timestamp(0, 0), "d6 ff 00 00 00 00"),
    Vector(timestamp(0, 1), "d7 ff 00 00 00 04 00 00 00 00"),
    Vector(timestamp(1, 0), "d6 ff 00 00 00 01"),
    Vector(timestamp(-2208988801, 999999999), "c7 0c ff 3b 9a c9 ff ff ff ff ff 7c 55 81 7f"),
    Vector(timestamp(-2208988800, 0), "c7 0c ff 00 00 00 00 ff ff ff ff 7c 55 81 80"),
    Vector(timestamp(-62167219200, 0), "c7 0c ff 00 00 00 00 ff ff ff f1 86 8b 84 00"),
    Vector(timestamp(253402300799, 999999999), "c7 0c ff 3b 9a c9 ff 00 00 00 3a ff f4 41 7f"),
  ]

  static let extensions = [
    Vector(.ext(type: 1, data: [0x10]), "d4 01 10"),
    Vector(.ext(type: 2, data: [0x20, 0x21]), "d5 02 20 21"),
    Vector(.ext(type: 3, data: [0x30, 0x31, 0x32, 0x33]), "d6 03 30 31 32 33"),
    Vector(
      .ext(type: 4, data: [0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47]), "d7 04 40 41 42 43 44 45 46 47"),
    Vector(
      .ext(
        type: 5,
        data: [
          0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x5b, 0x5c, 0x5d, 0x5e, 0x5f,
        ]), "d8 05 50 51 52 53 54 55 56 57 58 59 5a 5b 5c 5d 5e 5f"),
    Vector(.ext(type: 6, data: []), "c7 00 06", "c8 00 00 06", "c9 00 00 00 00 06"),
    Vector(
      .ext(type: 7, data: [0x70, 0x71, 0x72]), "c7 03 07 70 71 72", "c8 00 03 07 70 71 72",
      "c9 00 00 00 03 07 70 71 72"),
  ]

  static let values =
    nilVectors + booleans + binary + fractions + asciiStrings + utf8Strings + emojiStrings + arrays + maps
    + nested + timestamps + extensions
  static let numbers = positiveNumbers + negativeNumbers + bigNumbers

  /// Every encoding of the table.
  static let encodings =
    values.flatMap(\.encodings) + numbers.flatMap { $0.integers + $0.floats }

  private static func timestamp(_ seconds: Int64, _ nanoseconds: UInt32) -> MessagePackValue {
    MessagePackTimestamp(seconds: seconds, nanoseconds: nanoseconds).map(MessagePackValue.timestamp) ?? .nil
  }
}
