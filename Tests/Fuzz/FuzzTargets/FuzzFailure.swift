/// What does not hold for an input.
package struct FuzzFailure: Error, CustomStringConvertible {
  package let description: String
}

/// Throws ``FuzzFailure`` unless the condition holds.
func hold(_ condition: Bool, _ rule: @autoclosure () -> String) throws(FuzzFailure) {
  if !condition { throw FuzzFailure(description: rule()) }
}

/// Texts for a log or a terminal have nothing in them that steers it, and are one line.
func holdIsPlain(_ text: String, _ what: String) throws(FuzzFailure) {
  let hidden = text.unicodeScalars.first {
    switch $0.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator: true
    default: false
    }
  }
  try hold(hidden == nil, "\(what) has a control character: \(text.debugDescription)")
}

/// The parts of an input, with a NUL between them.
func parts(_ input: [UInt8]) -> [[UInt8]] {
  input.split(separator: 0, omittingEmptySubsequences: false).map(Array.init)
}

/// Bytes as text; those that are not UTF-8 are replaced.
func text(_ bytes: some Sequence<UInt8>) -> String { String(decoding: Array(bytes), as: UTF8.self) }
