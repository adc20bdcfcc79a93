extension MessagePackValue {
  /// What the value is, in the words of an error message: `the integer 5`, `an array of 3`.
  ///
  /// The length is bounded and what does not print is escaped, as the value may come from anywhere.
  var summary: String {
    switch self {
    case .nil: "nil"
    case .bool(let bool): "the boolean \(bool)"
    case .integer(let integer): "the integer \(integer)"
    case .float(let float): "the number \(float)"
    case .string(let string): "the string \(Self.quoted(string))"
    case .binary(let bytes): "binary data of \(bytes.count) bytes"
    case .array(let elements): "an array of \(elements.count)"
    case .map(let entries): "a map of \(entries.count)"
    case .timestamp(let timestamp): "the timestamp \(timestamp.seconds) s + \(timestamp.nanoseconds) ns"
    case .ext(let type, let data): "an extension of type \(type) with \(data.count) bytes"
    }
  }

  /// The text in quotes, cut to 64 Unicode scalars, with those escaped that would not show or would end it.
  static func quoted(_ text: String) -> String {
    let limit = 64
    let scalars = text.unicodeScalars
    let start = scalars.prefix(limit).map(escaped).joined()
    return scalars.dropFirst(limit).isEmpty ? "\"\(start)\"" : "\"\(start)\"…"
  }

  private static func escaped(_ scalar: Unicode.Scalar) -> String {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator: scalar.escaped(asASCII: true)
    default: scalar == "\"" || scalar == "\\" ? scalar.escaped(asASCII: true) : String(scalar)
    }
  }
}
