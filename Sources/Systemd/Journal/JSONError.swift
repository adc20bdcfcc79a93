/// Where and how a text is not JSON of the expected form.
struct JSONError: Error, Hashable, CustomStringConvertible {
  /// The number of bytes before the problem.
  let offset: Int

  let problem: String

  var description: String { "\(self.problem), at byte \(self.offset)" }
}
