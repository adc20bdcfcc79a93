import AsyncPrimitives
import Synchronization

/// Answers requests that come at about the same time together: a few batches at a time, in each of which requests that are
/// equal are one.
final class RequestCoalescer<Request: Hashable & Sendable, Answer: Sendable>: Sendable {
  /// Answers some requests. One that is missing in the result has no answer.
  typealias Answering = @Sendable ([Request]) async throws -> [Request: Answer]

  private typealias Waiting = [Request: Promise<Result<Answer?, any Error>>]

  private let width: Int
  private let window: Duration
  private let answering: Answering
  private let state = Mutex((waiting: Waiting(), running: 0))
  private let wakeUps: AsyncStream<Void>
  private let wakeUp: AsyncStream<Void>.Continuation

  /// - Parameters:
  ///   - width: how many batches may be under way: with more than one, a batch that hangs does not hold up all others.
  ///   - window: for how long a batch waits for more requests after the first.
  ///   - answering: answers a batch.
  init(width: Int = 1, window: Duration = .zero, answering: @escaping Answering) {
    self.width = width
    self.window = window
    self.answering = answering
    (self.wakeUps, self.wakeUp) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
  }

  /// The answer to a request, from the next batch; nil if it has none.
  ///
  /// - Throws: what the batch's answering throws; `CancellationError`.
  func answer(to request: Request) async throws -> Answer? {
    let promise = self.state.withLock { state in
      if let promise = state.waiting[request] { return promise }
      let promise = Promise<Result<Answer?, any Error>>()
      state.waiting[request] = promise
      return promise
    }
    self.wakeUp.yield()
    return try await promise.value.get()
  }

  /// Answers until the task is cancelled.
  func run() async {
    await withDiscardingTaskGroup { group in
      for await _ in self.wakeUps {
        if self.window > .zero { try? await Task.sleep(for: self.window) }
        guard let batch = self.takeBatch() else { continue }
        group.addTask { await self.answer(batch) }
      }
      group.cancelAll()
    }
  }

  private func takeBatch() -> Waiting? {
    self.state.withLock { state in
      guard !state.waiting.isEmpty, state.running < self.width else { return nil }
      state.running += 1
      defer { state.waiting = [:] }
      return state.waiting
    }
  }

  private func answer(_ batch: Waiting) async {
    do {
      let answers = try await self.answering(Array(batch.keys))
      for (request, promise) in batch { promise.fulfil(.success(answers[request])) }
    } catch {
      for promise in batch.values { promise.fulfil(.failure(error)) }
    }
    self.state.withLock { $0.running -= 1 }
    // For those that have come meanwhile.
    self.wakeUp.yield()
  }
}
