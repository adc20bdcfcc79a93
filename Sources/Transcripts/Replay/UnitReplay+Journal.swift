import Processes
import Synchronization
import Systemd

extension UnitReplay {
  /// A recorded line of the journal.
  struct JournalLine {
    let at: UInt64
    let cursor: String?
    let bytes: [UInt8]
  }

  /// A recorded command that reads the journal.
  struct Reading {
    let signature: CommandSignature
    let exchange: Transcript.Exchange
    /// Its lines among all lines, without those that earlier commands have printed.
    var lines: Range<Int>
    /// Whether it has been replayed.
    var isTaken = false
  }

  /// Adds the lines of a recorded command.
  static func append(_ signature: CommandSignature, _ exchange: Transcript.Exchange, to state: inout State) {
    let begin = state.journal.count
    func append(_ bytes: [UInt8], at time: UInt64) {
      let cursor = (try? JournalEntry(json: bytes[...].prefix { $0 != UInt8(ascii: "\n") }))?.cursor.text
      // Several commands can have printed the same entry.
      if let cursor {
        guard state.indexOfCursor[cursor] == nil else { return }
        state.indexOfCursor[cursor] = state.journal.count
      }
      state.journal.append(JournalLine(at: time, cursor: cursor, bytes: bytes))
    }
    var partial: [UInt8] = []
    for chunk in exchange.output {
      var rest = chunk.bytes[...]
      while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
        append(partial + rest[...end], at: chunk.at)
        partial = []
        rest = rest[(end + 1)...]
      }
      partial += rest
    }
    // An incomplete last line is dropped: the next command has printed it as a whole.
    state.readings.append(
      Reading(signature: signature, exchange: exchange, lines: begin..<state.journal.count))
  }

  /// Reads the journal from the caller's position on: the lines that the same command printed in the
  /// recording, and those of other commands that are not run this time.
  ///
  /// - Returns: nil if no such command is recorded; otherwise its outcome, which is nil if it ran until it
  ///   was cancelled.
  func read(_ signature: CommandSignature, _ onOutput: ([UInt8]) async throws -> Void) async throws
    -> TranscriptOutcome??
  {
    let present = self.timeline.present
    let reading = self.state.withLock { Self.reading(signature, at: present, &$0) }
    guard let (lines, exchange) = reading else { return nil }
    let follows = signature.words.contains("--follow")
    if follows {
      try await self.deliver(lines, onOutput)
    } else if !lines.isEmpty {
      try await onOutput(lines.flatMap(\.bytes))
    }
    guard let exchange, let outcome = exchange.outcome, let end = exchange.end else {
      // All of the journal has been read.
      if follows { return .some(nil) }
      return .ended(CommandResult(termination: .exited(0), standardError: [], duration: .zero))
    }
    switch outcome {
    case .cancelled, .refused: return .some(nil)
    case .ended, .failed:
      if follows { try await self.timeline.reach(end) }
      return outcome
    }
  }

  /// Delivers lines at their recorded times. No other waiter resumes between two of the same time, or during
  /// a delivery.
  private func deliver(_ lines: [JournalLine], _ onOutput: ([UInt8]) async throws -> Void) async throws {
    var isDelivering = false
    defer { if isDelivering { self.timeline.delivered() } }
    var rest = lines[...]
    while let first = rest.first {
      let batch = rest.prefix { $0.at == first.at }
      rest = rest.dropFirst(batch.count)
      let endsDelivery = isDelivering
      isDelivering = false
      try await self.timeline.reach(first.at, isDelivery: true, endsDelivery: endsDelivery)
      isDelivering = true
      try await onOutput(batch.flatMap(\.bytes))
    }
  }

  /// Whether two commands read the same entries, whether they follow the journal or not. Which of them is run
  /// depends on when the driver learns of the unit's end.
  private static func isSame(_ first: CommandSignature, _ second: CommandSignature) -> Bool {
    let modes: Set = ["--follow", "--no-tail", "--boot", "--quiet"]
    return first.words.filter { !modes.contains($0) } == second.words.filter { !modes.contains($0) }
  }

  private static func reading(
    _ signature: CommandSignature, at present: UInt64, _ state: inout State
  ) -> (lines: [JournalLine], exchange: Transcript.Exchange?)? {
    guard state.readings.contains(where: { Self.isSame($0.signature, signature) }) else { return nil }
    let limit = state.limit
    let index = state.readings.firstIndex {
      !$0.isTaken && $0.signature == signature
        && (state.runStart...max(state.runStart, limit)).contains($0.exchange.start)
    }
    let ofRun = state.readings.indices.filter { state.readings[$0].exchange.start >= state.runStart }
    let begin: Int
    if case .after(let cursor)? = signature.position, let known = state.indexOfCursor[cursor.text] {
      begin = known + 1
    } else {
      // Without a known position the caller has had no line, even if it has read before.
      begin = ofRun.first.map { state.readings[$0].lines.lowerBound } ?? state.journal.count
    }
    guard let index else {
      let latest = signature.words.contains("--follow") ? limit : min(limit, present)
      let end = state.journal.firstIndex { $0.at > latest } ?? state.journal.count
      return (Array(state.journal[min(begin, end)..<end]), nil)
    }
    for passed in ofRun where passed <= index { state.readings[passed].isTaken = true }
    let end = state.readings[index].lines.upperBound
    return (Array(state.journal[min(begin, end)..<end]), state.readings[index].exchange)
  }
}
