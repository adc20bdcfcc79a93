/// Waits until a condition holds.
///
/// - Throws: ``NeverHeld`` if it does not within `limit`, or what the condition throws.
package func eventually(
  _ what: String = "the condition", within limit: Duration = .seconds(120),
  _ condition: () async throws -> Bool
) async throws {
  let deadline = ContinuousClock.now + limit
  while try await !condition() {
    guard ContinuousClock.now < deadline else { throw NeverHeld(what: what) }
    try await Task.sleep(for: .milliseconds(5))
  }
}

/// A condition that did not hold in time.
package struct NeverHeld: Error {
  /// What was waited for.
  package let what: String

  /// Names what was waited for.
  package init(what: String) { self.what = what }
}
