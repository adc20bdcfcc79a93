import Promises
import Synchronization

/// Answers requests that come at about the same time together: one batch at a time, in which requests that are equal
/// are one.
final class RequestBatches<Request: Hashable & Sendable, Answer: Sendable>: Sendable {
  /// Answers some requests. One that is missing in the result has no answer.
  typealias Answering = @Sendable ([Request]) async throws -> [Request: Answer]

  private typealias Waiting = [Request: Promise<Result<Answer?, any Error>>]

  private let window: Duration
  private let answering: Answering
  private let waiting = Mutex<Waiting>([:])
  private let wakeUps: AsyncStream<Void>
  private let wakeUp: AsyncStream<Void>.Continuation

  /// - Parameters:
  ///   - window: for how long a batch waits for more requests after the first.
  ///   - answering: answers a batch.
  init(window: Duration, answering: @escaping Answering) {
    self.window = window
    self.answering = answering
    (self.wakeUps, self.wakeUp) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
  }

  /// The answer to a request, from the next batch; nil if it has none.
  ///
  /// - Throws: what the batch's answering throws; `CancellationError`.
  func answer(to request: Request) async throws -> Answer? {
    let promise = self.waiting.withLock { waiting in
      if let promise = waiting[request] { return promise }
      let promise = Promise<Result<Answer?, any Error>>()
      waiting[request] = promise
      return promise
    }
    self.wakeUp.yield()
    return try await promise.value.get()
  }

  /// Answers until the task is cancelled.
  func run() async {
    for await _ in self.wakeUps {
      try? await Task.sleep(for: self.window)
      let batch = self.waiting.withLock { waiting in
        defer { waiting = [:] }
        return waiting
      }
      if batch.isEmpty { continue }
      do {
        let answers = try await self.answering(Array(batch.keys))
        for (request, promise) in batch { promise.fulfil(.success(answers[request])) }
      } catch {
        for promise in batch.values { promise.fulfil(.failure(error)) }
      }
    }
  }
}
