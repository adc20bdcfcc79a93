public import Logging
public import Processes
import Synchronization
public import Systemd

/// Answers commands from a transcript instead of running them.
///
/// A command gets the answer of a recorded command with the same words. The position in the journal
/// (`--since=@…`, `--cursor=…`) and the way to the host (`command_prefix`, the programs' directories) may
/// differ. A command that is not recorded fails (``CommandError/notRecorded(_:reason:)``). The answer depends
/// on what the command does:
///
/// - A command that changes something (`systemctl start`) is answered as often as it was recorded.
/// - A question about a unit (`show`, `list-units`) gets the recorded answers in their order, and the last
///   one again when there are no more. An answer that was recorded after a change of the unit is given only
///   when that change has been issued. Answers about several units are split by unit, as the units are asked
///   about in other groups each time.
/// - The recorded lines of a unit's journal are one sequence. Each reader continues from its own position.
/// - Any other question (`--version`) gets its recorded answers in order, and the last one again.
public final class ReplayingCommandRunner: CommandRunner {
  /// The recorded exchanges of one command that names no unit.
  private struct Exchanges {
    let all: [Transcript.Exchange]
    var next = 0
  }

  private struct State {
    var others: [CommandSignature: Exchanges] = [:]
    /// What has been logged already.
    var reported: Set<[String]> = []
    /// Since when the replay waits for a command.
    var holds: [Command: ContinuousClock.Instant] = [:]
  }

  private let units: [String: UnitReplay]
  private let recorded: [CommandSignature: Command]
  private let state: Mutex<State>
  private let speed: ReplaySpeed
  private let holdWarningDelay: Duration
  private let logger: Logger

  /// Makes a runner.
  ///
  /// - Parameters:
  ///   - transcript: the transcript that is replayed.
  ///   - holdWarningDelay: how long the replay waits for a command before it logs a warning.
  ///   - logger: gets a line at debug level for each command, an error for each that cannot be answered, and
  ///     a warning if the replay cannot go on before a command is issued.
  public init(
    _ transcript: Transcript, speed: ReplaySpeed, holdWarningDelay: Duration = .seconds(3), logger: Logger
  ) {
    self.speed = speed
    self.holdWarningDelay = holdWarningDelay
    self.logger = logger
    var ofUnits: [String: [(signature: CommandSignature, exchange: Transcript.Exchange)]] = [:]
    var others: [CommandSignature: [Transcript.Exchange]] = [:]
    var recorded: [CommandSignature: Command] = [:]
    for exchange in transcript.exchanges {
      let signature = CommandSignature(exchange.command, prefix: transcript.header.commandPrefix)
      recorded[signature] = exchange.command
      if signature.units.isEmpty {
        others[signature, default: []].append(exchange)
      } else {
        for unit in Set(signature.units) { ofUnits[unit, default: []].append((signature, exchange)) }
      }
    }
    self.recorded = recorded
    self.units = Dictionary(
      uniqueKeysWithValues: ofUnits.map { ($0.key, UnitReplay($0.key, $0.value, speed: speed)) })
    self.state = Mutex(State(others: others.mapValues { Exchanges(all: $0) }))
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

  /// Waits until the replay has reached the next command that changes a unit.
  ///
  /// It stands for the kernel's report that a process has exited, which is not recorded.
  ///
  /// - Throws: `CancellationError`.
  public func waitForNextChange(of unit: UnitName) async throws {
    try await self.units[unit.name]?.waitForNextChange()
  }

  private func answer(
    _ command: Command, _ onOutput: ([UInt8]) async throws -> Void
  ) async throws -> CommandResult {
    let signature = CommandSignature(command)
    switch signature.kind {
    case _ where signature.units.isEmpty:
      return try await self.answerOther(command, signature, onOutput)
    case .state:
      return try await self.answerState(command, signature, onOutput)
    case .change:
      guard let unit = self.units[signature.units[0]], let exchange = unit.issue(signature) else {
        throw self.notRecorded(command, signature)
      }
      guard let outcome = exchange.outcome else {
        return try await self.finish(command, nil)
      }
      try await self.withTimeLimit(of: command) { try await unit.answer(exchange) }
      return try await self.finish(command, outcome, exchange.standardOutput, onOutput)
    case .journal, .other:
      guard let outcome = try await self.units[signature.units[0]]?.read(signature, onOutput) else {
        throw self.notRecorded(command, signature)
      }
      return try await self.finish(command, outcome)
    }
  }

  private func answerOther(
    _ command: Command, _ signature: CommandSignature, _ onOutput: ([UInt8]) async throws -> Void
  ) async throws -> CommandResult {
    let exchange = self.state.withLock { state -> Transcript.Exchange? in
      guard let others = state.others[signature] else { return nil }
      guard others.next < others.all.count else {
        return signature.kind == .change ? nil : others.all.last
      }
      state.others[signature]?.next += 1
      return others.all[others.next]
    }
    guard let exchange else { throw self.notRecorded(command, signature) }
    if let factor = self.speed.factor, let end = exchange.end, end > exchange.start {
      try await Task.sleep(for: .microseconds(1) * (Double(end - exchange.start) / factor))
    }
    return try await self.finish(command, exchange.outcome, exchange.standardOutput, onOutput)
  }

  private func answerState(
    _ command: Command, _ signature: CommandSignature, _ onOutput: ([UInt8]) async throws -> Void
  ) async throws -> CommandResult {
    var output: [UInt8] = []
    for name in signature.units {
      let question = signature.question(about: name)
      guard let unit = self.units[name], unit.knows(question) else {
        throw self.notRecorded(command, signature, about: name)
      }
      let answer = try await self.withTimeLimit(of: command) {
        try await unit.answer(question) { self.reportHold($0, name) }
      }
      guard let answer else { throw self.notRecorded(command, signature, about: name) }
      if signature.words.contains("show"), !output.isEmpty, !answer.output.isEmpty {
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

  /// Delivers the output and the outcome of a recorded command. A command that was cancelled runs until it is
  /// cancelled.
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

  // MARK: Reports

  private func reportHold(_ next: Command, _ unit: String) {
    // The driver may be about to run it, so the first time is too early for a warning.
    let isOverdue = self.state.withLock { state in
      let since = state.holds[next] ?? .now
      state.holds[next] = since
      return ContinuousClock.now - since >= self.holdWarningDelay
        && state.reported.insert(["hold", next.description]).inserted
    }
    guard isOverdue else { return }
    self.logger.warning(
      "The replay waits for a command that the driver has not run yet. Do what was done when it was recorded, such as stopping the task.",
      metadata: ["unit": "\(unit)", "command": "\(next)"])
  }

  private func notRecorded(_ command: Command, _ signature: CommandSignature, about unit: String? = nil)
    -> CommandError
  {
    let words = unit.map { signature.question(about: $0) }.map { $0.words + [$0.unit] } ?? signature.matchKey
    let isRecorded = self.recorded[signature] != nil
    let reason: String
    if isRecorded {
      reason = "the recording has no further answer to it at this point"
    } else if let (nearest, difference) = self.nearest(to: words) {
      reason = "the recording does not have it; the nearest is: \(nearest), which \(difference)"
    } else {
      reason = "the recording is empty"
    }
    if self.state.withLock({ $0.reported.insert(words).inserted }) {
      self.logger.log(
        level: command.isOptional ? .debug : .error, "The replay has no answer to this command.",
        metadata: ["command": "\(command)", "reason": "\(reason)"])
    }
    return .notRecorded(command, reason: reason)
  }

  /// The recorded command with the most words in common, and how it differs.
  private func nearest(to words: [String]) -> (Command, String)? {
    func without(_ words: [String], _ others: [String]) -> [String] {
      var counts = others.reduce(into: [String: Int]()) { $0[$1, default: 0] += 1 }
      return words.filter { word in
        defer { counts[word]? -= 1 }
        return (counts[word] ?? 0) <= 0
      }
    }
    let nearest = self.recorded.map { signature, command in
      let compared = signature.matchKey
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
