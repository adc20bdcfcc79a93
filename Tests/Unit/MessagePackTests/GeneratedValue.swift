import TestHelpers

@testable import MessagePack

extension MessagePackValue {
  /// A value of any kind, with arrays and maps inside each other up to a depth.
  static func random(depth: Int, using generator: inout SeededGenerator) -> MessagePackValue {
    switch Int.random(in: 0..<(depth > 0 ? 13 : 9), using: &generator) {
    case 0: return .nil
    case 1: return .bool(.random(using: &generator))
    case 2: return .integer(Int128(UInt64.random(in: 0 ... .max, using: &generator) >> shift(&generator)))
    case 3: return .integer(Int128(Int64.random(in: .min..<0, using: &generator) >> shift(&generator)))
    case 4: return .float(Double(Float.random(in: -1e6...1e6, using: &generator)))
    case 5: return .float(Double.random(in: -1e300...1e300, using: &generator))
    case 6: return .string(text(&generator))
    case 7: return .binary(data(&generator))
    case 8: return Bool.random(using: &generator) ? moment(&generator) : ext(&generator)
    case 9, 10:
      return .array((0..<length(&generator)).map { _ in random(depth: depth - 1, using: &generator) })
    default:
      return .map(
        (0..<length(&generator)).map { _ in
          MapEntry(
            key: random(depth: depth - 1, using: &generator),
            value: random(depth: depth - 1, using: &generator))
        })
    }
  }

  private static func shift(_ generator: inout SeededGenerator) -> UInt64 {
    UInt64.random(in: 0..<64, using: &generator)
  }

  /// Mostly few, at times about where the formats for lengths change.
  private static func length(_ generator: inout SeededGenerator) -> Int {
    Int.random(in: 0..<20, using: &generator) == 0
      ? Int.random(in: 14...18, using: &generator) : Int.random(in: 0...4, using: &generator)
  }

  private static func text(_ generator: inout SeededGenerator) -> String {
    let letters: [Character] = ["a", "Z", "0", "\0", "\n", "é", "ж", "漢", "🍺", "👩‍🚀"]
    let count = [0, 1, 5, 31, 32, 300].randomElement(using: &generator) ?? 0
    return String((0..<count).map { _ in letters.randomElement(using: &generator) ?? "a" })
  }

  private static func data(_ generator: inout SeededGenerator) -> [UInt8] {
    let count = [0, 1, 2, 3, 4, 8, 12, 16, 17, 255, 256].randomElement(using: &generator) ?? 0
    return (0..<count).map { _ in UInt8.random(in: 0 ... .max, using: &generator) }
  }

  private static func moment(_ generator: inout SeededGenerator) -> MessagePackValue {
    let seconds = Int64.random(in: .min ... .max, using: &generator) >> Int64(shift(&generator))
    let nanoseconds =
      Bool.random(using: &generator) ? 0 : UInt32.random(in: 0..<1_000_000_000, using: &generator)
    return MessagePackTimestamp(seconds: seconds, nanoseconds: nanoseconds).map(MessagePackValue.timestamp)
      ?? .nil
  }

  private static func ext(_ generator: inout SeededGenerator) -> MessagePackValue {
    let type = Int8.random(in: .min ... .max, using: &generator)
    return .ext(type: type == -1 ? 0 : type, data: data(&generator))
  }
}
