import AsyncPrimitives
package import Processes
import Synchronization
import Systemd

/// A systemd in memory, with the `systemctl` and `journalctl` that reach it.
///
/// It answers what the driver asks in the forms of systemd 252. A test makes units, does to them what their programs, systemd
/// and other people do, and holds commands or has them fail.
package final class FakeSystemd: CommandRunner {
  private struct Failing {
    let kind: FakeCommand.Kind
    let failure: FakeFailure
    let isDone: Bool
    var times: Int
  }

  private struct State {
    var manager = FakeServiceManager()
    var logsLifecycle = true
    var commands: [FakeCommand] = []
    var held: [HeldCommand] = []
    var failing: [Failing] = []
  }

  /// What units and systemd have logged.
  package let journal = FakeJournal()
  private let state = Mutex(State())
  private let changes = AsyncSignal()

  /// Makes a systemd without units.
  package init() {}

  // MARK: Units

  /// A unit, as a test takes hold of it.
  package struct Unit: Sendable {
    /// Its true name.
    package let name: String
    private let systemd: FakeSystemd

    fileprivate init(_ name: String, of systemd: FakeSystemd) {
      self.name = name
      self.systemd = systemd
    }

    /// What it is now.
    package var state: FakeUnit {
      self.systemd.state.withLock { $0.manager.units[self.name] } ?? FakeUnit(missing: self.name)
    }

    /// Changes it at once.
    package func update(_ change: (inout FakeUnit) -> Void) {
      self.systemd.change { $0.update(self.name, change) }
    }

    /// Its main process exits.
    package func exit(_ status: Int32) { self.update { $0.endProgram(.exited(status)) } }

    /// Somebody else starts, stops or restarts it.
    package func request(_ job: FakeUnit.JobType) { self.update { $0.request(job) } }

    /// Its main process prints lines.
    package func print(_ lines: String..., priority: Int = 6) {
      for line in lines { self.systemd.journal.append(self.name, line, priority: priority) }
    }
  }

  /// Adds a unit.
  ///
  /// - Parameter settings: makes it other than a service that runs until it is told to end.
  @discardableResult
  package func add(_ name: String, _ settings: (inout FakeUnit) -> Void = { _ in }) -> Unit {
    self.change { manager in
      manager.add(FakeUnit(name))
      manager.update(name, settings)
    }
    return Unit(name, of: self)
  }

  private func change<R>(_ body: (inout FakeServiceManager) -> R) -> R {
    defer { self.changes.send() }
    return self.state.withLock { state in
      let result = body(&state.manager)
      let entries = state.manager.takeEntries()
      if state.logsLifecycle {
        for entry in entries { self.journal.append(entry) }
      }
      return result
    }
  }

  // MARK: What a test does and sees besides

  /// The commands that there were.
  package var commands: [FakeCommand] { self.state.withLock(\.commands) }

  /// The commands of a kind that there were.
  package func commands(_ kind: FakeCommand.Kind) -> [FakeCommand] {
    self.commands.filter { $0.kind == kind }
  }

  /// The state of the whole system; `running` at first.
  package func setSystemState(_ systemState: String) {
    self.change { $0.systemState = systemState }
  }

  /// Whether systemd logs what happens to units; it does at first.
  package func setLogsLifecycle(_ logsLifecycle: Bool) {
    self.state.withLock { $0.logsLifecycle = logsLifecycle }
  }

  /// Holds the next command of a kind.
  ///
  /// - Parameters:
  ///   - unit: the unit that it names; nil for any.
  ///   - point: where it is held.
  package func hold(
    _ kind: FakeCommand.Kind, of unit: String? = nil, _ point: HeldCommand.Point = .before
  ) -> HeldCommand {
    let held = HeldCommand(kind, of: unit, point)
    self.state.withLock { $0.held.append(held) }
    return held
  }

  /// Has commands of a kind fail.
  ///
  /// - Parameters:
  ///   - isDone: whether what they are to do is done all the same.
  ///   - times: how many; nil for all until ``recover(_:)``.
  package func fail(
    _ kind: FakeCommand.Kind, _ failure: FakeFailure, isDone: Bool = false, times: Int? = nil
  ) {
    let failing = Failing(kind: kind, failure: failure, isDone: isDone, times: times ?? .max)
    self.state.withLock { $0.failing.append(failing) }
  }

  /// Has commands of a kind succeed again.
  package func recover(_ kind: FakeCommand.Kind) {
    self.state.withLock { $0.failing.removeAll { $0.kind == kind } }
  }

  // MARK: Commands

  /// Answers as systemctl and journalctl do.
  package func run(_ command: Command, onOutput: ([UInt8]) async throws -> Void) async throws -> CommandResult
  {
    try Task.checkCancellation()
    let own = FakeCommand(command)
    let failing = self.state.withLock { state in
      state.commands.append(own)
      return Self.takeFailing(own.kind, &state)
    }
    try await self.hold(own, at: .before)
    if let failing, !failing.isDone { return try Self.fail(command, failing.failure) }
    if own.isOfJournal { return try await self.journal.run(command, onOutput: onOutput) }
    let answer = try await self.answer(own)
    try await self.hold(own, at: .after)
    if let failing { return try Self.fail(command, failing.failure) }
    if !answer.output.isEmpty { try await onOutput(Array(answer.output.utf8)) }
    return Self.result(answer.status, answer.error)
  }

  private static func takeFailing(_ kind: FakeCommand.Kind, _ state: inout State) -> Failing? {
    guard let index = state.failing.firstIndex(where: { $0.kind == kind }) else { return nil }
    defer {
      state.failing[index].times -= 1
      if state.failing[index].times == 0 { state.failing.remove(at: index) }
    }
    return state.failing[index]
  }

  private func hold(_ command: FakeCommand, at point: HeldCommand.Point) async throws {
    let held = self.state.withLock { state in
      state.held.firstIndex { $0.isFor(command, at: point) }.map { state.held.remove(at: $0) }
    }
    try await held?.hold()
  }

  private static func fail(_ command: Command, _ failure: FakeFailure) throws -> CommandResult {
    switch failure {
    case .exit(let status, let text): return self.result(status, text + "\n")
    case .notExecutable: throw CommandError.notExecutable(command, reason: "No such file or directory")
    case .timedOut: throw CommandError.timedOut(command, standardError: "")
    }
  }

  private static func result(_ status: Int32, _ error: String) -> CommandResult {
    CommandResult(termination: .exited(status), standardError: Array(error.utf8), duration: .zero)
  }

  private func answer(_ command: FakeCommand) async throws -> FakeServiceManager.Answer {
    let type: FakeUnit.JobType
    switch command.kind {
    case .start: type = .start
    case .stop: type = .stop
    case .restart: type = .restart
    default: return self.change { $0.answer(command) }
    }
    let name = command.operands.first ?? ""
    let request = self.change { $0.request(type, name) }
    switch request {
    case .refused(let answer): return answer
    case .job(let id):
      while true {
        let count = self.changes.count
        if let answer = self.state.withLock({ $0.manager.answer(toJob: id, of: name) }) { return answer }
        try await self.changes.wait(after: count)
      }
    }
  }
}
