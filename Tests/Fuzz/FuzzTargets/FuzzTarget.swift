/// A part of the code that reads what others have written, with what must hold whatever that is.
package struct FuzzTarget: Sendable {
  /// What `make fuzz` calls it.
  package let name: String
  /// Inputs to begin with, and those that once broke something.
  package let seeds: [[UInt8]]
  /// Texts that mean something to the code, to be put into inputs.
  package let words: [String]
  private let body: @Sendable ([UInt8]) throws -> Void

  init(
    _ name: String, seeds: [String], bytes: [[UInt8]] = [], words: [String] = [],
    _ body: @escaping @Sendable ([UInt8]) throws -> Void
  ) {
    self.name = name
    self.seeds = seeds.map { Array($0.utf8) } + bytes
    self.words = words
    self.body = body
  }

  /// Gives an input to the code.
  ///
  /// - Throws: ``FuzzFailure`` that says what does not hold; the code's own errors are an answer like others.
  package func check(_ input: [UInt8]) throws { try self.body(input) }

  /// All of them.
  package static let all = [
    unitName, unitStatus, unitListing, journalEntry, journalCursor, lines, transcript, commandLine,
    messagePack,
    configuration, driverState, taskRecord, logPosition, controlGroup, kernelFile, execEnvironment, hclog,
    protocolLine,
    displayText,
  ]
}

extension FuzzTarget: CustomStringConvertible {
  /// The name.
  package var description: String { self.name }
}
