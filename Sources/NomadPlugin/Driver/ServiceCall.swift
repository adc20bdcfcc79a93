import GRPCCore

/// Runs a driver's code for one call: cancels it when the peer cancels the call, waits for its end in any case, and
/// turns what it throws into a status.
///
/// gRPC tells of a cancelled call by the call's context only, and leaves the task running.
func serve<Answer: Sendable>(
  _ context: ServerContext, _ body: @escaping @Sendable () async throws -> Answer
) async throws(RPCError) -> Answer {
  do {
    return try await withThrowingTaskGroup(of: Answer?.self) { group in
      group.addTask { try await body() }
      group.addTask {
        try await context.cancellation.cancelled
        return nil
      }
      // The first nil is the cancelled call; what follows is the body's own end.
      while let end = try await group.next() {
        group.cancelAll()
        if let answer = end { return answer }
      }
      throw CancellationError()
    }
  } catch {
    throw RPCError(driverError: error)
  }
}
