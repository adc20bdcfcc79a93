import Systemd

extension Systemctl {
  /// How long to wait before each further attempt: PID 1 is back a moment after it has dropped its connections.
  private static let pauses: [Duration] = [.milliseconds(100), .milliseconds(300), .milliseconds(600)]

  /// What systemd knows of a unit, asked again for a second where systemd cannot be reached: when it executes itself anew
  /// (`systemctl daemon-reexec`, an update of its package), it drops the connections that there are.
  ///
  /// - Throws: ``SystemdError`` or `CancellationError`.
  func showPatiently(_ unit: UnitName) async throws -> UnitStatus {
    for pause in Self.pauses {
      do {
        return try await self.show(unit)
      } catch let error as SystemdError where error.reason == .managerUnreachable {
        try await Task.sleep(for: pause)
      }
    }
    return try await self.show(unit)
  }
}
