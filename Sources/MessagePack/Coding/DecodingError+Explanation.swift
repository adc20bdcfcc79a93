extension DecodingError {
  /// One line for the person who wrote the value: where it is and what is wrong with it, for example
  /// `command_prefix[1]: expected a string, found the integer 5` or `unit: required, but missing`.
  ///
  /// Names that are not made of ASCII letters, digits, `_` and `-` are quoted and escaped.
  public var explanation: String {
    let path: [any CodingKey]
    let problem: Context
    switch self {
    case .keyNotFound(let key, let context): (path, problem) = (context.codingPath + [key], context)
    case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
      (path, problem) = (context.codingPath, context)
    @unknown default: return String(describing: self)
    }
    let place = path.reduce(into: "") { place, key in
      if key is PathKey, let index = key.intValue {
        place += "[\(index)]"
      } else {
        place += (place.isEmpty ? "" : ".") + Self.name(key.stringValue)
      }
    }
    return place.isEmpty ? problem.debugDescription : "\(place): \(problem.debugDescription)"
  }

  private static func name(_ text: String) -> String {
    let isPlain = text.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
        true
      default: false
      }
    }
    return isPlain && !text.isEmpty ? text : MessagePackValue.quoted(text)
  }
}
