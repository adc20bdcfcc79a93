import AsyncPrimitives
import Testing

/// Runs a few tests at once: each has plugins and units of its own, and with all of them at once a small machine does
/// little but change between processes. A test's time limit includes the wait for its turn.
struct LimitedParallelism: SuiteTrait, TestTrait, TestScoping {
  private static let permits = AsyncSemaphore(permits: 8)

  var isRecursive: Bool { true }

  func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    guard testCase != nil else { return try await function() }
    try await Self.permits.withPermit(function)
  }
}

extension Trait where Self == LimitedParallelism {
  /// Runs no more than eight of the tests at once.
  static var limitedParallelism: Self { LimitedParallelism() }
}
