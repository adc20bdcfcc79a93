/// Runs `body`, but not longer than `limit`.
///
/// At the limit `body` is cancelled. It must heed that: this returns only when it has ended.
///
/// - Returns: what `body` returns; nil if the limit passed first.
/// - Throws: what `body` throws before the limit; `CancellationError` if the calling task is cancelled first.
package func withDeadline<R: Sendable>(
  after limit: Duration, _ body: @escaping @Sendable () async throws -> R
) async throws -> R? {
  try await withDeadline(.now + limit, body)
}

/// Runs `body`, but not longer than until `deadline`: see ``withDeadline(after:_:)``.
package func withDeadline<R: Sendable>(
  _ deadline: ContinuousClock.Instant, _ body: @escaping @Sendable () async throws -> R
) async throws -> R? {
  try await withThrowingTaskGroup(of: R?.self) { group in
    group.addTask { try await body() }
    group.addTask {
      try await Task.sleep(until: deadline, clock: .continuous)
      return nil
    }
    defer { group.cancelAll() }
    return try await group.next() ?? nil
  }
}
