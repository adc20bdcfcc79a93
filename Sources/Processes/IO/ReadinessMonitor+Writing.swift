import AsyncPrimitives

extension ReadinessMonitor {
  /// Waits until a descriptor can be written to, or nobody reads there any more.
  ///
  /// - Parameter descriptor: in non-blocking mode; nobody else waits for it meanwhile.
  /// - Throws: `CancellationError` if the task is cancelled.
  package static func waitForRoom(in descriptor: Int32) async throws {
    let hasRoom = Promise<Void>()
    guard let monitor = self.shared, let id = monitor.add(descriptor, onReady: { hasRoom.fulfil(()) }) else {
      // Without a free descriptor there is nothing to be told by.
      try await Task.sleep(for: .milliseconds(100))
      return
    }
    defer { monitor.remove(descriptor, id: id) }
    monitor.arm(descriptor, id: id, for: .writing)
    try await hasRoom.value
  }
}
