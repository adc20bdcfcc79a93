import Processes
import Synchronization
import Systemd

/// Replays what was recorded about one unit, in the recorded order.
///
/// Each unit has a time of its own. It does not pass the next command that changes the unit before that is
/// issued.
final class UnitReplay: Sendable {
  struct State {
    var questions: [CommandSignature.Question: Answers] = [:]
    var changes: [Change] = []
    var journal: [JournalLine] = []
    var indexOfCursor: [String: Int] = [:]
    var readings: [Reading] = []
    /// The recorded time of the latest answer that was given or change that was issued.
    var seen: UInt64 = 0
    /// The recorded time from which answers show the last change that was answered.
    var answeredChange: UInt64 = 0
    /// The recorded time at which that change was issued.
    var answeredChangeStart: UInt64 = 0
    /// The recorded time at which the unit's last start was issued.
    var runStart: UInt64 = 0

    /// The recorded time of the next change, which the replay does not pass.
    var limit: UInt64 { self.changes.first(where: \.isAhead)?.exchange.start ?? .max }
  }

  let timeline: ReplayTimeline
  let speed: ReplaySpeed
  let state: Mutex<State>

  /// - Parameter exchanges: the exchanges that name the unit, in the order of their starts.
  init(
    _ unit: String, _ exchanges: [(signature: CommandSignature, exchange: Transcript.Exchange)],
    speed: ReplaySpeed
  ) {
    var state = State()
    for (signature, exchange) in exchanges {
      switch signature.kind {
      case .change:
        state.changes.append(Change(signature: signature, exchange: exchange))
      case .state:
        guard let answer = Self.answer(about: unit, signature, exchange) else { continue }
        state.questions[signature.question(about: unit), default: Answers()].all.append(answer)
      case .journal:
        Self.append(signature, exchange, to: &state)
      case .other: break
      }
    }
    for question in state.questions.keys { state.questions[question]?.all.sort { $0.end < $1.end } }
    self.timeline = ReplayTimeline(start: exchanges.first?.exchange.start ?? 0, speed: speed)
    self.timeline.advance(to: 0, limit: state.limit)
    self.speed = speed
    self.state = Mutex(state)
  }
}
