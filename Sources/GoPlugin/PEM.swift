internal import Foundation

/// The text form of certificates and keys (RFC 7468).
enum PEM {
  /// The contents of all blocks of this kind, in DER; empty if there is none, nil if one is damaged.
  static func blocks(_ label: String, in text: String) -> [[UInt8]]? {
    var blocks: [[UInt8]] = []
    var base64: String?
    for line in text.split(whereSeparator: \.isNewline) {
      let line = line.trimmingCharacters(in: .whitespaces)
      if line == "-----BEGIN \(label)-----" {
        guard base64 == nil else { return nil }
        base64 = ""
      } else if line == "-----END \(label)-----" {
        guard let encoded = base64, let bytes = Data(base64Encoded: encoded), !bytes.isEmpty else {
          return nil
        }
        blocks.append(Array(bytes))
        base64 = nil
      } else {
        base64?.append(line)
      }
    }
    return base64 == nil ? blocks : nil
  }
  /// One block.
  static func text(_ label: String, _ bytes: [UInt8]) -> String {
    let base64 = Data(bytes).base64EncodedString(options: [.lineLength64Characters, .endLineWithLineFeed])
    return "-----BEGIN \(label)-----\n\(base64)\n-----END \(label)-----\n"
  }
}
