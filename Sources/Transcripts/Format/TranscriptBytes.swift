/// Bytes as a JSON value that a person can read: a string if they are UTF-8, otherwise an array of strings
/// and of the numbers of the bytes between them. Nothing is lost.
struct TranscriptBytes: Hashable, Sendable {
  var bytes: [UInt8]
}

extension TranscriptBytes: Codable {
  init(from decoder: any Decoder) throws {
    if let text = try? decoder.singleValueContainer().decode(String.self) {
      self.bytes = Array(text.utf8)
      return
    }
    var values = try decoder.unkeyedContainer()
    self.bytes = []
    while !values.isAtEnd {
      if let byte = try? values.decode(UInt8.self) {
        self.bytes.append(byte)
      } else {
        self.bytes += try values.decode(String.self).utf8
      }
    }
  }

  func encode(to encoder: any Encoder) throws {
    if let text = String(validating: self.bytes, as: UTF8.self) {
      var value = encoder.singleValueContainer()
      try value.encode(text)
      return
    }
    var values = encoder.unkeyedContainer()
    for part in self.parts {
      switch part {
      case .text(let text): try values.encode(text)
      case .byte(let byte): try values.encode(byte)
      }
    }
  }

  private enum Part {
    case text(String)
    case byte(UInt8)
  }

  private var parts: [Part] {
    var parts: [Part] = []
    var text = String.UnicodeScalarView()
    var rest = self.bytes.makeIterator()
    var position = 0
    var parser = Unicode.UTF8.ForwardParser()
    func flush() {
      if !text.isEmpty { parts.append(.text(String(text))) }
      text = String.UnicodeScalarView()
    }
    while true {
      switch parser.parseScalar(from: &rest) {
      case .valid(let scalar):
        text.append(Unicode.UTF8.decode(scalar))
        position += scalar.count
      case .error(let length):
        flush()
        parts += self.bytes[position..<(position + length)].map { .byte($0) }
        position += length
      case .emptyInput:
        flush()
        return parts
      }
    }
  }
}
