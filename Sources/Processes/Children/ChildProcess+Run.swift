extension ChildProcess {
  /// Runs a command and `body` at the same time, until both have ended.
  ///
  /// The child is terminated (``terminate(_:)``) if `body` throws, at the command's time limit, and if the
  /// task is cancelled.
  ///
  /// - Parameter body: reads the child's output.
  /// - Returns: what `body` returned, and how the child ended. The reason is nil or `timedOut`.
  /// - Throws: ``CommandError`` if the command cannot be started, what `body` throws, or `CancellationError`.
  ///   The child is gone then.
  package static func run<Value: Sendable>(
    _ command: Command, _ options: Options, _ body: (ChildProcess) async throws -> Value
  ) async throws -> (value: Value, exit: Exit) {
    try Task.checkCancellation()
    let child = try await self.start(command, options)
    defer { child.close() }
    let (result, exit) = await withTaskCancellationHandler {
      async let exit = child.waitForExit()
      async let _ = self.terminate(child, after: command.timeLimit)
      let result: Result<Value, any Error>
      do {
        result = .success(try await body(child))
      } catch {
        result = .failure(error)
        child.terminate(.bodyFailed)
      }
      return (result, await exit)
    } onCancel: {
      child.terminate(.cancelled)
    }
    let value = try result.get()
    if exit.reason == .cancelled { throw CancellationError() }
    return (value, exit)
  }

  private static func terminate(_ child: ChildProcess, after limit: Duration?) async {
    guard let limit, (try? await Task.sleep(for: limit)) != nil else { return }
    child.terminate(.timedOut)
  }
}
