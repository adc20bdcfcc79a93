import Processes
import Synchronization
import Systemd

extension UnitReplay {
  /// A recorded answer about the state of the unit.
  struct Answer: Sendable {
    let start: UInt64
    let end: UInt64
    var output: [UInt8]
    let outcome: TranscriptOutcome

    /// Whether it shows that the unit is active, or on its way there.
    var showsUp: Bool {
      switch (try? UnitStatus.parse(self.output))?.first?.activeState {
      case .active, .activating, .reloading, .refreshing: true
      default: false
      }
    }
  }

  /// The recorded answers to one question, in the order of their ends.
  struct Answers {
    var all: [Answer] = []
    /// The index of the last answer that was given.
    var given: Int?
  }

  /// An answer that lies further ahead than this, in microseconds, is not waited for: the one before it is
  /// given again.
  private static let horizon: UInt64 = 1_000_000

  /// The part of a recorded answer that is about one unit; nil if there is none.
  static func answer(about unit: String, _ signature: CommandSignature, _ exchange: Transcript.Exchange)
    -> Answer?
  {
    guard let end = exchange.end, let outcome = exchange.outcome else { return nil }
    switch outcome {
    case .cancelled, .refused: return nil
    case .failed, .ended: break
    }
    let output = exchange.standardOutput
    switch signature.words.first(where: { $0 == "show" || $0 == "list-units" }) {
    case "show" where signature.units.count > 1:
      guard let index = signature.units.firstIndex(of: unit) else { return nil }
      let blocks = Self.blocks(of: output)
      if index < blocks.count {
        // systemctl stops at the first unit that it cannot show.
        return Answer(
          start: exchange.start, end: end, output: blocks[index],
          outcome: .ended(CommandResult(termination: .exited(0), standardError: [], duration: .zero)))
      }
      return index == blocks.count
        ? Answer(start: exchange.start, end: end, output: [], outcome: outcome) : nil
    case "list-units" where signature.units.count > 1:
      let lines = output.split(separator: UInt8(ascii: "\n")).filter {
        $0.split(separator: UInt8(ascii: " "), maxSplits: 1).first.map { $0.elementsEqual(unit.utf8) }
          ?? false
      }
      return Answer(
        start: exchange.start, end: end, output: lines.flatMap { $0 + [UInt8(ascii: "\n")] }, outcome: outcome
      )
    default:
      return Answer(start: exchange.start, end: end, output: output, outcome: outcome)
    }
  }

  /// The blocks of lines, which empty lines separate.
  private static func blocks(of output: [UInt8]) -> [[UInt8]] {
    var blocks: [[UInt8]] = [[]]
    for line in output.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      if line.isEmpty {
        if blocks.last != [] { blocks.append([]) }
      } else {
        blocks[blocks.count - 1] += line + [UInt8(ascii: "\n")]
      }
    }
    return blocks.filter { !$0.isEmpty }
  }

  /// Whether the recording has an answer to a question.
  func knows(_ question: CommandSignature.Question) -> Bool {
    self.state.withLock { $0.questions[question] != nil }
  }

  /// Gives the next recorded answer to a question, or the last one again if there is no further one.
  ///
  /// An answer from after a change is not given before that change is issued; until then the last one is
  /// given again. An answer from before a change that has been issued is not given any more; the next one is
  /// waited for.
  ///
  /// - Parameter onHold: is called with the command that must be issued before there is a further answer.
  /// - Returns: nil if the question is not recorded.
  /// - Throws: `CancellationError`.
  func answer(_ question: CommandSignature.Question, onHold: (Command) -> Void) async throws -> Answer? {
    let present = self.speed.factor == nil ? 0 : self.timeline.present
    let (answer, change) = self.state.withLock { state -> (Answer?, Command?) in
      guard let answers = state.questions[question] else { return (nil, nil) }
      let limit = state.limit
      let index = Self.next(of: answers, after: state, present: present, isTimed: self.speed.factor != nil)
      let isOnHold = answers.all[index].end > limit || index == answers.given && index + 1 < answers.all.count
      state.questions[question]?.given = index
      state.seen = max(state.seen, min(answers.all[index].end, limit))
      return (answers.all[index], isOnHold ? state.changes.first(where: \.isAhead)?.exchange.command : nil)
    }
    if let change { onHold(change) }
    guard let answer else { return nil }
    try await self.timeline.reach(answer.end)
    return answer
  }

  private static func next(of answers: Answers, after state: State, present: UInt64, isTimed: Bool) -> Int {
    let all = answers.all
    let limit = state.limit
    let isEligible = { (index: Int) in all[index].end <= limit }
    let earliest = max(state.seen, present)
    let next = all.indices.dropFirst(answers.given.map { $0 + 1 } ?? 0).first {
      all[$0].end >= earliest && all[$0].start >= state.answeredChange
    }
    let last = all.indices.last { isEligible($0) && all[$0].end >= state.answeredChange }
    if let next, isEligible(next) {
      // At this recorded time, the one before is still true.
      let isFar = isTimed && all[next].end > present &+ Self.horizon
      return
        (isFar ? all.indices.last { all[$0].end <= present && all[$0].end >= state.answeredChange } : nil)
        ?? next
    }
    // If the driver did not ask again after a start, the next answer follows another change, which the driver
    // may issue because of the answer that it gets now. That is the last one from during the start, unless it
    // shows the unit down: then it is from before systemd began the start.
    let during =
      last == nil
      ? all.indices.last { isEligible($0) && all[$0].start >= state.answeredChangeStart && all[$0].showsUp }
      : nil
    return last ?? during ?? next ?? all.indices.last(where: isEligible) ?? all.startIndex
  }
}
