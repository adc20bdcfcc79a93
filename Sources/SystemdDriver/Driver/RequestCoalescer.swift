import AsyncPrimitives
import Synchronization

/// Loads values for requests that come at about the same time together: a few batches at a time, in each of which equal
/// requests are one.
final class RequestCoalescer<Request: Hashable & Sendable, Value: Sendable>: Sendable {
  /// Loads the values of some requests. One that is missing in the result has no value.
  typealias Load = @Sendable ([Request]) async throws -> [Request: Value]

  private typealias Waiting = [Request: Promise<Result<Value?, any Error>>]

  private let width: Int
  private let patience: Duration?
  private let window: Duration
  private let load: Load
  private let state = Mutex((waiting: Waiting(), running: 0))
  private let wakeUps: AsyncStream<Void>
  private let wakeUp: AsyncStream<Void>.Continuation

  /// - Parameters:
  ///   - width: how many batches may be under way: with more than one, a batch that hangs does not hold up all others.
  ///   - patience: after how long a batch that is still under way does not count any more; nil if it always does.
  ///   - window: for how long a batch waits for more requests after the first.
  ///   - load: loads the values of a batch.
  init(width: Int = 1, patience: Duration? = nil, window: Duration = .zero, load: @escaping Load) {
    self.width = width
    self.patience = patience
    self.window = window
    self.load = load
    (self.wakeUps, self.wakeUp) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
  }

  /// The value for a request, from the next batch; nil if it has none. Needs ``run()``.
  ///
  /// - Throws: what the loading of the batch throws; `CancellationError`.
  func value(for request: Request) async throws -> Value? {
    let promise = self.state.withLock { state in
      if let promise = state.waiting[request] { return promise }
      let promise = Promise<Result<Value?, any Error>>()
      state.waiting[request] = promise
      return promise
    }
    self.wakeUp.yield()
    return try await promise.value.get()
  }

  /// Loads batches until the task is cancelled.
  func run() async {
    await withDiscardingTaskGroup { group in
      for await _ in self.wakeUps {
        if self.window > .zero { try? await Task.sleep(for: self.window) }
        guard let batch = self.takeBatch() else { continue }
        group.addTask { await self.load(batch) }
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

  private func load(_ batch: Waiting) async {
    await withTaskGroup(of: Bool.self) { group in
      group.addTask {
        await self.fulfil(batch)
        return true
      }
      if let patience = self.patience {
        group.addTask {
          try? await Task.sleep(for: patience)
          return false
        }
      }
      let isDone = await group.next() ?? true
      self.state.withLock { $0.running -= 1 }
      // Requests may have come meanwhile.
      self.wakeUp.yield()
      if isDone { group.cancelAll() }
    }
  }

  private func fulfil(_ batch: Waiting) async {
    do {
      let values = try await self.load(Array(batch.keys))
      for (request, promise) in batch { promise.fulfil(.success(values[request])) }
    } catch {
      for promise in batch.values { promise.fulfil(.failure(error)) }
    }
  }
}
