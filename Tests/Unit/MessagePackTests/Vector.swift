import Testing

@testable import MessagePack

/// A value and the ways to write it, the shortest first.
struct Vector: Sendable, CustomTestStringConvertible {
  let value: MessagePackValue
  let encodings: [[UInt8]]

  init(_ value: MessagePackValue, _ encodings: String...) {
    self.value = value
    self.encodings = encodings.map(bytes)
  }

  var testDescription: String { encodings.first.map { hex(Array($0.prefix(16))) } ?? "" }
}

/// An integer, the ways to write it as an integer, the shortest first, and those to write it as a float.
struct NumberVector: Sendable, CustomTestStringConvertible {
  let number: Int128
  let integers: [[UInt8]]
  let floats: [[UInt8]]

  init(_ number: Int128, _ integers: [String], floats: [String] = []) {
    self.number = number
    self.integers = integers.map(bytes)
    self.floats = floats.map(bytes)
  }

  var testDescription: String { "\(number)" }
}
