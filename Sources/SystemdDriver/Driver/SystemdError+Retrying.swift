import Systemd

extension SystemdError {
  /// Tries something until it succeeds, or fails in a way that lasts.
  ///
  /// When PID 1 executes itself anew (`systemctl daemon-reexec`, an update of its package), it drops the connections that
  /// there are, and is back a moment later.
  ///
  /// - Parameters:
  ///   - pauses: how long to wait before each further attempt.
  ///   - isTemporary: whether there is to be one.
  /// - Throws: what the last attempt has thrown; `CancellationError`.
  static func retrying<R: Sendable>(
    after pauses: [Duration], if isTemporary: @Sendable (SystemdError) -> Bool,
    _ body: @Sendable () async throws -> R
  ) async throws -> R {
    for pause in pauses {
      do {
        return try await body()
      } catch let error as SystemdError where isTemporary(error) {
        try await Task.sleep(for: pause)
      }
    }
    return try await body()
  }
}
