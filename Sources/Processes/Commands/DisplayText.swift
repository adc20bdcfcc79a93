/// The output of a program as text for a log line or an error: one line of limited length, without control
/// characters.
package struct DisplayText {
  /// The largest number of characters that are kept.
  package static let limit = 2000

  /// The text.
  package let text: String

  /// Trims the lines and joins them with spaces. Of a longer text the end is kept.
  package init(_ bytes: some Collection<UInt8>) {
    let lines = String(decoding: bytes.suffix(4 * Self.limit), as: UTF8.self)
      .split(whereSeparator: \.isNewline)
      .map { line in
        String(String.UnicodeScalarView(line.unicodeScalars.filter { !$0.isHidden }))
      }
      .map { $0.trimmingWhitespace() }
    let joined = lines.filter { !$0.isEmpty }.joined(separator: " ")
    self.text = joined.count > Self.limit ? "…" + joined.suffix(Self.limit) : joined
  }
}

extension Unicode.Scalar {
  /// Whether it is a control or format character (which could reorder or overwrite a line) or an unassigned
  /// one.
  package var isHidden: Bool {
    switch self.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: true
    default: false
    }
  }
}

extension String {
  fileprivate func trimmingWhitespace() -> String {
    String(self.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
  }
}
