import Systemd

extension Systemctl {
  /// What systemd knows of a unit, asked again for a second where systemd cannot be reached.
  ///
  /// - Throws: ``SystemdError`` or `CancellationError`.
  func showPatiently(_ unit: UnitName) async throws -> UnitStatus {
    try await SystemdError.retrying(
      after: [.milliseconds(100), .milliseconds(300), .milliseconds(600)],
      if: { $0.reason == .managerUnreachable }
    ) {
      try await self.show(unit)
    }
  }
}
