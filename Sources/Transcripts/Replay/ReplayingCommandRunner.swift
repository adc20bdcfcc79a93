public import Logging
public import Processes
import Synchronization
public import Systemd

/// Answers commands from a transcript, in place of running them.
///
/// A command is answered by a recorded one with the same words; where to begin in the journal (`--since=@…`,
/// `--cursor=…`) and the way to the host (`command_prefix`, the programs' directories) may differ. A command that is
/// not recorded is an error (``CommandError/notRecorded(_:reason:)``). What it gets depends on what the command does:
///
/// - A command that changes something (`systemctl start`) is answered once for each time it was recorded.
/// - Questions about a unit (`show`, `list-units`) get the recorded answers in their order, and the last one again when
///   there are no more; never one that was given after a change of the unit that has not been asked for yet. Answers
///   about several units are taken apart, since units are asked for in other groups each time.
/// - What was read of a unit's journal is one sequence of lines: each reader goes on where it says that it stopped.
/// - Other questions (`--version`) get their recorded answers in order, and the last one again.
public final class ReplayingCommandRunner: CommandRunner {
  private struct Others {
    let exchanges: [Transcript.Exchange]
    var next = 0
  }

  private struct State {
    var others: [CommandSignature: Others] = [:]
    /// What the log has been told already.
    var told: Set<[String]> = []
    /// Since when the recording waits for a command.
    var holds: [Command: ContinuousClock.Instant] = [:]
  }

  private let units: [String: UnitReplay]
  private let recorded: [CommandSignature: Command]
  private let state: Mutex<State>
  private let speed: ReplaySpeed
  private let holdPatience: Duration
  private let logger: Logger

  /// Makes a runner.
  ///
  /// - Parameters:
  ///   - transcript: what is replayed.
  ///   - holdPatience: how long the recording waits for a command until that is told.
  ///   - logger: gets a line at debug level for each command, an error for each that is not recorded, and a warning where
  ///     the replay cannot go on before something is asked for.
  public init(
    _ transcript: Transcript, speed: ReplaySpeed, holdPatience: Duration = .seconds(3), logger: Logger
  ) {
    self.speed = speed
    self.holdPatience = holdPatience
    self.logger = logger
    var ofUnits: [String: [(form: CommandSignature, exchange: Transcript.Exchange)]] = [:]
    var others: [CommandSignature: [Transcript.Exchange]] = [:]
    var recorded: [CommandSignature: Command] = [:]
    for exchange in transcript.exchanges {
      let form = CommandSignature(exchange.command, prefix: transcript.header.commandPrefix)
      recorded[form] = exchange.command
      if form.units.isEmpty {
        others[form, default: []].append(exchange)
      } else {
        for unit in Set(form.units) { ofUnits[unit, default: []].append((form, exchange)) }
      }
    }
    self.recorded = recorded
    self.units = Dictionary(
      uniqueKeysWithValues: ofUnits.map { ($0.key, UnitReplay($0.key, $0.value, speed: speed)) })
    self.state = Mutex(State(others: others.mapValues { Others(exchanges: $0) }))
  }

  /// Answers a command.
  public func run(_ command: Command, onOutput: ([UInt8]) async throws -> Void) async throws -> CommandResult
  {
    try Task.checkCancellation()
    do {
      let result = try await self.answer(command, onOutput)
      self.logger.debug("\(command)", metadata: ["replayed": "true", "outcome": "\(result.termination)"])
      return result
    } catch {
      self.logger.debug("\(command)", metadata: ["replayed": "true", "outcome": "\(error)"])
      throw error
    }
  }

  /// Waits until the recording goes on with a command that changes a unit: what the driver has seen then, the kernel had
  /// told it.
  ///
  /// - Throws: `CancellationError`.
  public func waitForNextChange(of unit: UnitName) async throws {
    try await self.units[unit.name]?.waitForNextChange()
  }

  private func answer(
    _ command: Command, _ onOutput: ([UInt8]) async throws -> Void
  ) async throws -> CommandResult {
    let form = CommandSignature(command)
    switch form.kind {
    case _ where form.units.isEmpty:
      return try await self.answerOther(command, form, onOutput)
    case .state:
      return try await self.answerState(command, form, onOutput)
    case .change:
      guard let unit = self.units[form.units[0]], let exchange = unit.issue(form) else {
        throw self.notRecorded(command, form)
      }
      guard let outcome = exchange.outcome else {
        return try await self.finish(command, nil)
      }
      try await self.withTimeLimit(of: command) { try await unit.answer(exchange) }
      return try await self.finish(command, outcome, exchange.standardOutput, onOutput)
    case .journal, .other:
      guard let outcome = try await self.units[form.units[0]]?.read(form, onOutput) else {
        throw self.notRecorded(command, form)
      }
      return try await self.finish(command, outcome)
    }
  }

  private func answerOther(
    _ command: Command, _ form: CommandSignature, _ onOutput: ([UInt8]) async throws -> Void
  ) async throws -> CommandResult {
    let exchange = self.state.withLock { state -> Transcript.Exchange? in
      guard let others = state.others[form] else { return nil }
      guard others.next < others.exchanges.count else {
        return form.kind == .change ? nil : others.exchanges.last
      }
      state.others[form]?.next += 1
      return others.exchanges[others.next]
    }
    guard let exchange else { throw self.notRecorded(command, form) }
    if let factor = self.speed.factor, let end = exchange.end, end > exchange.start {
      try await Task.sleep(for: .microseconds(1) * (Double(end - exchange.start) / factor))
    }
    return try await self.finish(command, exchange.outcome, exchange.standardOutput, onOutput)
  }

  private func answerState(
    _ command: Command, _ form: CommandSignature, _ onOutput: ([UInt8]) async throws -> Void
  ) async throws -> CommandResult {
    var output: [UInt8] = []
    for name in form.units {
      let question = form.about(name)
      guard let unit = self.units[name], unit.knows(question) else {
        throw self.notRecorded(command, form, about: name)
      }
      let answer = try await self.withTimeLimit(of: command) {
        try await unit.answer(question) { self.tellHold($0, name) }
      }
      guard let answer else { throw self.notRecorded(command, form, about: name) }
      if form.words.contains("show"), !output.isEmpty, !answer.output.isEmpty {
        output.append(UInt8(ascii: "\n"))
      }
      output += answer.output
      guard case .ended(let result) = answer.outcome, result.termination.isSuccess else {
        return try await self.finish(command, answer.outcome, output, onOutput)
      }
    }
    return try await self.finish(
      command, .ended(CommandResult(termination: .exited(0), standardError: [], duration: .zero)), output,
      onOutput)
  }

  /// Hands out what came of a recorded command. One that was ended by the driver runs until it is ended again.
  private func finish(
    _ command: Command, _ outcome: TranscriptOutcome?, _ output: [UInt8] = [],
    _ onOutput: ([UInt8]) async throws -> Void = { _ in }
  ) async throws -> CommandResult {
    if !output.isEmpty { try await onOutput(output) }
    switch outcome {
    case .ended(let result):
      return result
    case .failed(.notExecutable(_, let reason)):
      throw CommandError.notExecutable(command, reason: reason)
    case .failed(.spawnFailed(_, let reason)):
      throw CommandError.spawnFailed(command, reason: reason)
    case .failed(.timedOut(_, let standardError)):
      throw CommandError.timedOut(command, standardError: standardError)
    case .failed(.tooMuchOutput):
      throw CommandError.tooMuchOutput(command)
    case .failed(.notRecorded(_, let reason)):
      throw CommandError.notRecorded(command, reason: reason)
    case .cancelled, .refused, nil:
      try await Task.sleep(for: command.timeLimit ?? .seconds(86400 * 365))
      throw CommandError.timedOut(command, standardError: "")
    }
  }

  private func withTimeLimit<Result: Sendable>(
    of command: Command, _ body: @escaping @Sendable () async throws -> Result
  ) async throws -> Result {
    guard let limit = command.timeLimit else { return try await body() }
    return try await withThrowingTaskGroup(of: Result.self) { group in
      group.addTask(operation: body)
      group.addTask {
        try await Task.sleep(for: limit)
        throw CommandError.timedOut(command, standardError: "")
      }
      defer { group.cancelAll() }
      guard let result = try await group.next() else { throw CancellationError() }
      return result
    }
  }

  // MARK: Telling

  private func tellHold(_ next: Command, _ unit: String) {
    // The driver may be about to run it.
    let isOverdue = self.state.withLock { state in
      let since = state.holds[next] ?? .now
      state.holds[next] = since
      return ContinuousClock.now - since >= self.holdPatience
        && state.told.insert(["hold", next.description]).inserted
    }
    guard isOverdue else { return }
    self.logger.warning(
      "The recording goes on with a command that the driver has no reason for yet: stop the unit, or do what was done.",
      metadata: ["unit": "\(unit)", "command": "\(next)"])
  }

  private func notRecorded(_ command: Command, _ form: CommandSignature, about unit: String? = nil)
    -> CommandError
  {
    let words = unit.map { form.about($0) }.map { $0.words + [$0.unit] } ?? form.matchKey
    let isRecorded = self.recorded[form] != nil
    let reason: String
    if isRecorded {
      reason = "the recording has it, but not once more or not at this point"
    } else if let (nearest, difference) = self.nearest(to: words) {
      reason = "the recording does not have it; the nearest is: \(nearest), which \(difference)"
    } else {
      reason = "the recording is empty"
    }
    if self.state.withLock({ $0.told.insert(words).inserted }) {
      self.logger.error(
        "This command is not in the recording.", metadata: ["command": "\(command)", "reason": "\(reason)"])
    }
    return .notRecorded(command, reason: reason)
  }

  /// The recorded command that has most words in common, and how it differs.
  private func nearest(to words: [String]) -> (Command, String)? {
    func without(_ words: [String], _ others: [String]) -> [String] {
      var counts = others.reduce(into: [String: Int]()) { $0[$1, default: 0] += 1 }
      return words.filter { word in
        defer { counts[word]? -= 1 }
        return (counts[word] ?? 0) <= 0
      }
    }
    let nearest = self.recorded.map { form, command in
      let compared = form.matchKey
      let (extra, missing) = (without(compared, words), without(words, compared))
      let isSameProgram = compared.first == words.first
      return (command, extra, missing, extra.count + missing.count + (isSameProgram ? 0 : 100))
    }.min { ($0.3, $0.0.description) < ($1.3, $1.0.description) }
    guard let (command, extra, missing, _) = nearest else { return nil }
    func list(_ words: [String]) -> String {
      words.isEmpty ? "nothing" : words.map { DisplayText($0.utf8.prefix(200)).text }.joined(separator: " ")
    }
    return (command, "has \(list(extra)) where this has \(list(missing))")
  }
}
