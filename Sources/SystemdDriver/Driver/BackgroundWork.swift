/// Work that goes on beside the calls that have begun it, as child tasks of one task.
struct BackgroundWork: Sendable {
  private let work: AsyncStream<@Sendable () async -> Void>
  private let continuation: AsyncStream<@Sendable () async -> Void>.Continuation

  init() {
    (self.work, self.continuation) = AsyncStream.makeStream(of: (@Sendable () async -> Void).self)
  }

  /// Begins some work as soon as ``run()`` runs.
  func add(_ work: @escaping @Sendable () async -> Void) { self.continuation.yield(work) }

  /// Does the work, until cancelled.
  func run() async {
    await withDiscardingTaskGroup { group in
      for await work in self.work { group.addTask(operation: work) }
      group.cancelAll()
    }
  }
}
