import GRPCCore
import Synchronization
import Testing

@testable import NomadPlugin

@Suite(.timeLimit(.minutes(1))) struct SerialWriterTests {
  /// A transport that takes a message only when the test lets it.
  private final class Gate: RPCWriterProtocol {
    typealias Element = Int

    private struct State {
      var permits = 0
      var waiting: [CheckedContinuation<Void, Never>] = []
      var writing = 0
      var overlaps = 0
      var written: [Int] = []
    }

    private let state = Mutex(State())
    private let arrival: AsyncStream<Int>.Continuation

    /// Each message that came, before it is let through.
    let arrivals: AsyncStream<Int>

    init() {
      (arrivals, arrival) = AsyncStream.makeStream()
    }

    /// The messages that were let through.
    var written: [Int] { state.withLock { $0.written } }

    /// How often a message came while another waited.
    var overlaps: Int { state.withLock { $0.overlaps } }

    /// Lets messages through.
    func permit(_ count: Int) {
      let passing = state.withLock { state in
        let passing = state.waiting.prefix(count)
        state.waiting.removeFirst(passing.count)
        state.permits += count - passing.count
        return passing
      }
      for writer in passing { writer.resume() }
    }

    func write(_ element: Int) async throws {
      state.withLock { state in
        state.overlaps += state.writing
        state.writing += 1
      }
      arrival.yield(element)
      await withCheckedContinuation { writer in
        let mayPass = state.withLock { state in
          if state.permits > 0 {
            state.permits -= 1
            return true
          }
          state.waiting.append(writer)
          return false
        }
        if mayPass { writer.resume() }
      }
      state.withLock { state in
        state.writing -= 1
        state.written.append(element)
      }
    }

    func write(contentsOf elements: some Sequence<Int>) async throws {
      for element in elements { try await write(element) }
    }
  }

  private final class Flag: Sendable {
    private let state = Mutex(false)
    var isSet: Bool { state.withLock { $0 } }
    func set() { state.withLock { $0 = true } }
  }

  @Test func writersTakeTurns() async throws {
    let gate = Gate()
    let writer = SerialWriter(RPCWriter(wrapping: gate))
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<100 { group.addTask { try await writer.write(number) } }
      gate.permit(100)
      try await group.waitForAll()
    }
    #expect(gate.overlaps == 0)
    #expect(gate.written.sorted() == Array(0..<100))
  }

  @Test func aWriterWaitsForTheTransport() async throws {
    let gate = Gate()
    let writer = SerialWriter(RPCWriter(wrapping: gate))
    let hasWritten = Flag()
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        try await writer.write(1)
        hasWritten.set()
      }
      var arrivals = gate.arrivals.makeAsyncIterator()
      #expect(await arrivals.next() == 1)
      #expect(!hasWritten.isSet)
      gate.permit(1)
      try await group.waitForAll()
    }
    #expect(hasWritten.isSet)
  }

  @Test func aWriterThatIsCancelledLeavesTheQueue() async throws {
    let gate = Gate()
    let writer = SerialWriter(RPCWriter(wrapping: gate))
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await writer.write(1) }
      var arrivals = gate.arrivals.makeAsyncIterator()
      #expect(await arrivals.next() == 1)

      await withTaskGroup(of: Bool.self) { waiting in
        for number in 2...20 {
          waiting.addTask {
            do {
              try await writer.write(number)
              return false
            } catch {
              return error is CancellationError
            }
          }
        }
        while writer.queueLength < 19 { await Task.yield() }
        waiting.cancelAll()
        for await wasCancelled in waiting { #expect(wasCancelled) }
      }

      group.addTask { try await writer.write(21) }
      gate.permit(2)
      try await group.waitForAll()
    }
    #expect(gate.written == [1, 21])
  }
}
