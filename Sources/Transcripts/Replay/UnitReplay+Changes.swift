import Processes
import Synchronization

extension UnitReplay {
  /// A recorded command that changes the unit.
  struct Change {
    let signature: CommandSignature
    let exchange: Transcript.Exchange
    var isIssued = false
    /// Whether a later change has been issued.
    var isPassed = false

    /// Whether it is still to be issued.
    var isAhead: Bool { !self.isIssued && !self.isPassed }
  }

  /// Issues a command that changes the unit.
  ///
  /// - Returns: the recorded exchange; nil if the command is not recorded, or was recorded less often.
  func issue(_ signature: CommandSignature) -> Transcript.Exchange? {
    let issued = self.state.withLock { state -> (exchange: Transcript.Exchange, limit: UInt64)? in
      // Changes that are issued at the same time can come in another order than in the recording.
      let lastIssued = state.changes.lastIndex { $0.isIssued && $0.signature == signature } ?? -1
      guard
        let index = state.changes.firstIndex(where: { $0.isAhead && $0.signature == signature })
          ?? state.changes.indices.first(where: {
            $0 > lastIssued && !state.changes[$0].isIssued && state.changes[$0].signature == signature
          })
      else {
        // How often a signal is sent depends on how long the unit takes to end.
        guard signature.words.contains("kill") else { return nil }
        return state.changes.last { $0.signature == signature }.map { ($0.exchange, state.limit) }
      }
      // The driver has decided against the changes before it.
      for earlier in 0..<index { state.changes[earlier].isPassed = true }
      state.changes[index].isIssued = true
      let exchange = state.changes[index].exchange
      state.seen = max(state.seen, exchange.start)
      if signature.words.contains("start") || signature.words.contains("restart") {
        state.runStart = exchange.start
      }
      return (exchange, state.limit)
    }
    guard let issued else { return nil }
    self.timeline.advance(to: issued.exchange.start, limit: issued.limit)
    return issued.exchange
  }

  /// Waits until the replay has reached the next command that changes the unit.
  func waitForNextChange() async throws {
    let limit = self.state.withLock(\.limit)
    if limit == .max { return try await Task.sleep(for: .seconds(86400 * 365)) }
    try await self.timeline.reach(limit)
  }

  /// Waits until the recorded end of a change. Questions after it get answers that were recorded after it.
  func answer(_ change: Transcript.Exchange) async throws {
    guard let end = change.end else { return }
    try await self.timeline.reach(end)
    // The effect of a stop can be observed a moment before the command ends; that of a start is asked for
    // after its end.
    let isStart = change.command.arguments.contains { $0 == "start" || $0 == "restart" }
    self.state.withLock { state in
      state.answeredChange = max(state.answeredChange, isStart ? end : change.start)
      state.answeredChangeStart = max(state.answeredChangeStart, change.start)
    }
  }
}
