import AsyncPrimitives

extension ReadinessMonitor {
  /// Waits until a descriptor can be written to, or nobody reads from it any more.
  ///
  /// - Parameter descriptor: a descriptor in non-blocking mode, which nothing else waits for.
  /// - Throws: `CancellationError` if the task is cancelled.
  package static func waitForRoom(in descriptor: Int32) async throws {
    let hasRoom = Promise<Void>()
    guard let monitor = self.shared, let id = monitor.add(descriptor, onReady: { hasRoom.fulfil(()) }) else {
      // The monitor needs a descriptor of its own, and there may be none left.
      try await Task.sleep(for: .milliseconds(100))
      return
    }
    defer { monitor.remove(descriptor, id: id) }
    monitor.arm(descriptor, id: id, for: .writing)
    try await hasRoom.value
  }
}
