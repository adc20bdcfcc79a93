/// What a program said, made fit for a log line or an error: bounded, repaired, without control characters.
package struct DisplayText {
  /// The most characters that are kept.
  static let limit = 2000

  package let text: String

  /// Lines are trimmed and joined by spaces; of a longer text the end is kept.
  package init(_ bytes: some Collection<UInt8>) {
    let lines = String(decoding: bytes.suffix(4 * Self.limit), as: UTF8.self)
      .split(whereSeparator: \.isNewline)
      .map { line in
        String(String.UnicodeScalarView(line.unicodeScalars.filter { !Self.isHidden($0) }))
      }
      .map { $0.trimmingWhitespace() }
    let joined = lines.filter { !$0.isEmpty }.joined(separator: " ")
    text = joined.count > Self.limit ? "…" + joined.suffix(Self.limit) : joined
  }

  /// Control and format characters (which could reorder or overwrite a line) and unassigned ones.
  private static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: true
    default: false
    }
  }
}

extension String {
  fileprivate func trimmingWhitespace() -> String {
    String(drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
  }
}
