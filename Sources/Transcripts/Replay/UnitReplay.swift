import Processes
import Synchronization
import Systemd

/// What a recording tells of one unit, handed out in its order.
///
/// Each unit has a time of its own in a replay. It does not pass the next command that changes the unit before that
/// has been issued.
final class UnitReplay: Sendable {
  /// A recorded answer about the state of the unit.
  struct Answer: Sendable {
    let start: UInt64
    let end: UInt64
    var output: [UInt8]
    let outcome: TranscriptOutcome

    /// Whether it is a status, of a unit that is up or on its way there.
    var showsUp: Bool {
      switch (try? UnitStatus.parse(self.output))?.first?.activeState {
      case .active, .activating, .reloading, .refreshing: true
      default: false
      }
    }
  }

  private struct Answers {
    var all: [Answer] = []
    /// The number of the last one that was given.
    var given: Int?
  }

  private struct Change {
    let form: CommandSignature
    let exchange: Transcript.Exchange
    var isIssued = false
    /// Whether a later one has been issued.
    var isPassed = false

    var isAhead: Bool { !self.isIssued && !self.isPassed }
  }

  private struct JournalLine {
    let at: UInt64
    let cursor: String?
    let bytes: [UInt8]
  }

  private struct Reading {
    let form: CommandSignature
    let exchange: Transcript.Exchange
    /// Those of its lines that are new, among all.
    var lines: Range<Int>
    var isTaken = false
  }

  private struct State {
    var questions: [CommandSignature.Question: Answers] = [:]
    var changes: [Change] = []
    var journal: [JournalLine] = []
    var indexOfCursor: [String: Int] = [:]
    var readings: [Reading] = []
    /// The recorded time of the latest answer that was given or command that was issued.
    var seen: UInt64 = 0
    /// From when on answers can tell of the last change that has been answered, in recorded time.
    var answeredChange: UInt64 = 0
    /// When that change was issued.
    var answeredChangeStart: UInt64 = 0
    /// When the unit's last start was issued, in recorded time.
    var runStart: UInt64 = 0

    /// The recorded time of the next change.
    var limit: UInt64 { self.changes.first(where: \.isAhead)?.exchange.start ?? .max }
  }

  /// How far ahead of the recorded time an answer is waited for, rather than given the one before again.
  private static let horizon: UInt64 = 1_000_000

  private let timeline: ReplayTimeline
  private let speed: ReplaySpeed
  private let state: Mutex<State>

  /// - Parameter exchanges: those that name the unit, in the order of their starts.
  init(
    _ unit: String, _ exchanges: [(form: CommandSignature, exchange: Transcript.Exchange)], speed: ReplaySpeed
  ) {
    var state = State()
    for (form, exchange) in exchanges {
      switch form.kind {
      case .change:
        state.changes.append(Change(form: form, exchange: exchange))
      case .state:
        guard let answer = Self.answer(about: unit, form, exchange) else { continue }
        state.questions[form.about(unit), default: Answers()].all.append(answer)
      case .journal:
        Self.append(form, exchange, to: &state)
      case .other: break
      }
    }
    for question in state.questions.keys { state.questions[question]?.all.sort { $0.end < $1.end } }
    self.timeline = ReplayTimeline(start: exchanges.first?.exchange.start ?? 0, speed: speed)
    self.timeline.goOn(from: 0, limit: state.limit)
    self.speed = speed
    self.state = Mutex(state)
  }

  // MARK: States

  /// The part of a recorded answer that is about the unit; nil if there is none.
  static func answer(about unit: String, _ form: CommandSignature, _ exchange: Transcript.Exchange) -> Answer?
  {
    guard let end = exchange.end, let outcome = exchange.outcome else { return nil }
    switch outcome {
    case .cancelled, .refused: return nil
    case .failed, .ended: break
    }
    let output = exchange.standardOutput
    switch form.words.first(where: { $0 == "show" || $0 == "list-units" }) {
    case "show" where form.units.count > 1:
      guard let index = form.units.firstIndex(of: unit) else { return nil }
      let blocks = Self.blocks(of: output)
      if index < blocks.count {
        // systemctl stops at the first unit that it cannot show.
        return Answer(
          start: exchange.start, end: end, output: blocks[index],
          outcome: .ended(CommandResult(termination: .exited(0), standardError: [], duration: .zero)))
      }
      return index == blocks.count
        ? Answer(start: exchange.start, end: end, output: [], outcome: outcome) : nil
    case "list-units" where form.units.count > 1:
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

  /// The blocks of lines between empty lines.
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

  /// Whether the question was asked in the recording and answered.
  func knows(_ question: CommandSignature.Question) -> Bool {
    self.state.withLock { $0.questions[question] != nil }
  }

  /// The next recorded answer to a question that has not to do with a change that was not made yet; the last one again
  /// where there is none. If that is from before a change that has been made, the next one is waited for.
  ///
  /// - Parameter onHold: is called with the command that has to be issued before there is a further answer.
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
      // By the clock, the one before is still true.
      let isFar = isTimed && all[next].end > present &+ Self.horizon
      return
        (isFar ? all.indices.last { all[$0].end <= present && all[$0].end >= state.answeredChange } : nil)
        ?? next
    }
    // Where the driver was content with what it saw during a start, there is no answer from after it: the next one comes
    // when the unit is changed again, perhaps for what is seen now. One that shows the unit down is from before systemd
    // took the start up.
    let during =
      last == nil
      ? all.indices.last { isEligible($0) && all[$0].start >= state.answeredChangeStart && all[$0].showsUp }
      : nil
    return last ?? during ?? next ?? all.indices.last(where: isEligible) ?? all.startIndex
  }

  // MARK: Changes

  /// Issues a command that changes the unit.
  ///
  /// - Returns: nil if it is not recorded, or not any more.
  func issue(_ form: CommandSignature) -> Transcript.Exchange? {
    let issued = self.state.withLock { state -> (exchange: Transcript.Exchange, limit: UInt64)? in
      // Of changes that are asked for at the same time, a later one can have come first.
      let lastIssued = state.changes.lastIndex { $0.isIssued && $0.form == form } ?? -1
      guard
        let index = state.changes.firstIndex(where: { $0.isAhead && $0.form == form })
          ?? state.changes.indices.first(where: {
            $0 > lastIssued && !state.changes[$0].isIssued && state.changes[$0].form == form
          })
      else {
        // How often a signal is sent depends on how long the unit takes to end.
        guard form.words.contains("kill") else { return nil }
        return state.changes.last { $0.form == form }.map { ($0.exchange, state.limit) }
      }
      // Those before it were decided otherwise this time.
      for earlier in 0..<index { state.changes[earlier].isPassed = true }
      state.changes[index].isIssued = true
      let exchange = state.changes[index].exchange
      state.seen = max(state.seen, exchange.start)
      if form.words.contains("start") || form.words.contains("restart") { state.runStart = exchange.start }
      return (exchange, state.limit)
    }
    guard let issued else { return nil }
    self.timeline.goOn(from: issued.exchange.start, limit: issued.limit)
    return issued.exchange
  }

  /// Waits until the recording goes on with a command that changes the unit.
  func waitForNextChange() async throws {
    let limit = self.state.withLock(\.limit)
    if limit == .max { return try await Task.sleep(for: .seconds(86400 * 365)) }
    try await self.timeline.reach(limit)
  }

  /// Waits until the recorded answer to a change; what is asked after it was asked after it before.
  func answer(_ change: Transcript.Exchange) async throws {
    guard let end = change.end else { return }
    try await self.timeline.reach(end)
    // A unit can be seen to have stopped a moment before the command that stops it ends; the driver looks after a start.
    let isStart = change.command.arguments.contains { $0 == "start" || $0 == "restart" }
    self.state.withLock { state in
      state.answeredChange = max(state.answeredChange, isStart ? end : change.start)
      state.answeredChangeStart = max(state.answeredChangeStart, change.start)
    }
  }

  // MARK: Journal

  private static func append(_ form: CommandSignature, _ exchange: Transcript.Exchange, to state: inout State)
  {
    let begin = state.journal.count
    func append(_ bytes: [UInt8], at time: UInt64) {
      let cursor = (try? JournalEntry(json: bytes[...].prefix { $0 != UInt8(ascii: "\n") }))?.cursor.text
      // Several commands can have told of one entry.
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
    // The rest of a line that was cut off came again when it was read again.
    state.readings.append(
      Reading(form: form, exchange: exchange, lines: begin..<state.journal.count))
  }

  /// Reads the journal: what the same command printed in the recording, what was printed by others that were not run
  /// this time, and nothing that the caller has had.
  ///
  /// - Returns: nil if no such command is recorded; otherwise its outcome, nil if it ran until it was ended.
  func read(_ form: CommandSignature, _ onOutput: ([UInt8]) async throws -> Void) async throws
    -> TranscriptOutcome??
  {
    let present = self.timeline.present
    let reading = self.state.withLock { Self.reading(form, at: present, &$0) }
    guard let (lines, exchange) = reading else { return nil }
    let follows = form.words.contains("--follow")
    if follows {
      try await self.deliver(lines, onOutput)
    } else if !lines.isEmpty {
      try await onOutput(lines.flatMap(\.bytes))
    }
    guard let exchange, let outcome = exchange.outcome, let end = exchange.end else {
      // All of it has been read before.
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

  /// Hands out lines at their times. Nobody else goes on between two of the same time or while one is handed out.
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

  /// Whether two commands read the same, one now and the other then as well: which of them is run depends on how long
  /// the unit's life is to the driver.
  private static func isSame(_ first: CommandSignature, _ second: CommandSignature) -> Bool {
    let manners: Set = ["--follow", "--no-tail", "--boot", "--quiet"]
    return first.words.filter { !manners.contains($0) } == second.words.filter { !manners.contains($0) }
  }

  private static func reading(
    _ form: CommandSignature, at present: UInt64, _ state: inout State
  ) -> (lines: [JournalLine], exchange: Transcript.Exchange?)? {
    guard state.readings.contains(where: { Self.isSame($0.form, form) }) else { return nil }
    let limit = state.limit
    let index = state.readings.firstIndex {
      !$0.isTaken && $0.form == form
        && (state.runStart...max(state.runStart, limit)).contains($0.exchange.start)
    }
    let ofRun = state.readings.indices.filter { state.readings[$0].exchange.start >= state.runStart }
    let begin: Int
    if case .after(let cursor)? = form.position, let known = state.indexOfCursor[cursor.text] {
      begin = known + 1
    } else {
      // The caller has had nothing yet, even if it has begun to read: it would say so.
      begin = ofRun.first.map { state.readings[$0].lines.lowerBound } ?? state.journal.count
    }
    guard let index else {
      let latest = form.words.contains("--follow") ? limit : min(limit, present)
      let end = state.journal.firstIndex { $0.at > latest } ?? state.journal.count
      return (Array(state.journal[min(begin, end)..<end]), nil)
    }
    for passed in ofRun where passed <= index { state.readings[passed].isTaken = true }
    let end = state.readings[index].lines.upperBound
    return (Array(state.journal[min(begin, end)..<end]), state.readings[index].exchange)
  }
}
