@testable import MessagePack

/// The bytes of a text such as `c4 01 ff`.
func bytes(_ hex: String) -> [UInt8] {
  hex.split(separator: " ").map { UInt8($0, radix: 16) ?? 0xc1 }
}

/// Bytes as two hexadecimal digits each.
func hex(_ bytes: [UInt8]) -> String {
  bytes.map { byte in
    let digits = String(byte, radix: 16)
    return digits.count == 1 ? "0" + digits : digits
  }
  .joined(separator: " ")
}
