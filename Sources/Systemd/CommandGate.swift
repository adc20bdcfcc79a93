import Promises
import Synchronization

/// Lets a few commands run at once; others wait for their turn.
///
/// A `systemctl` that waits for a job is told by systemd of every change of every unit: two hundred of them at once, each
/// with a unit of its own, make forty thousand times the messages of one. A command that runs for long leaves its place to
/// the next one while it goes on, so that what takes hours, or hangs, does not hold up the others.
package final class CommandGate: Sendable {
  private struct State {
    var free: Int
    var waiting: [Promise<Void>] = []
  }

  /// How long a command keeps its place.
  private let patience: Duration
  private let state: Mutex<State>

  /// - Parameters:
  ///   - width: how many commands may run at once.
  ///   - patience: how long each of them counts.
  package init(width: Int, patience: Duration = .seconds(1)) {
    self.patience = patience
    self.state = Mutex(State(free: width))
  }

  /// Whether another command would have to wait.
  var isFull: Bool { self.state.withLock { $0.free == 0 } }

  /// Runs a command when it is its turn.
  ///
  /// - Throws: what `command` throws, or `CancellationError` if the task is cancelled before its turn.
  package func run<R: Sendable>(_ command: @Sendable () async throws -> R) async throws -> R {
    let turn = Promise<Void>()
    let isFree = self.state.withLock { state in
      guard state.free == 0 else {
        state.free -= 1
        return true
      }
      state.waiting.append(turn)
      return false
    }
    if !isFree {
      do {
        try await turn.value
      } catch {
        self.withdraw(turn)
        throw error
      }
    }
    let place = Place(gate: self)
    defer { place.leave() }
    async let _ = place.leave(after: self.patience)
    return try await command()
  }

  private func withdraw(_ turn: Promise<Void>) {
    let wasWaiting = self.state.withLock { state in
      let count = state.waiting.count
      state.waiting.removeAll { $0 === turn }
      return state.waiting.count < count
    }
    // Its turn has come meanwhile, and goes to the next one.
    if !wasWaiting { self.advance() }
  }

  private func advance() {
    let next = self.state.withLock { state -> Promise<Void>? in
      guard !state.waiting.isEmpty else {
        state.free += 1
        return nil
      }
      return state.waiting.removeFirst()
    }
    next?.fulfil(())
  }

  /// A command's place in the gate, left once.
  private final class Place: Sendable {
    private let gate: CommandGate
    private let isLeft = Mutex(false)

    init(gate: CommandGate) { self.gate = gate }

    func leave() {
      let isFirst = self.isLeft.withLock { isLeft in
        defer { isLeft = true }
        return !isLeft
      }
      if isFirst { self.gate.advance() }
    }

    func leave(after delay: Duration) async {
      if (try? await Task.sleep(for: delay)) != nil { self.leave() }
    }
  }
}
