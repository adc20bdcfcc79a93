import ExecHelper
import Synchronization
import Systemd

/// Knows the number of the user that a unit's processes begin as: a dynamic user is another one in each run.
final class UnitUserCache: Sendable {
  private let unit: UnitName
  private let systemctl: Systemctl
  private let known = Mutex<(run: String?, id: UInt32?)?>(nil)

  init(_ unit: UnitName, _ systemctl: Systemctl) {
    self.unit = unit
    self.systemctl = systemctl
  }

  /// The user's number in a run; nil if systemd does not tell one.
  ///
  /// - Throws: `SystemdError`, `CancellationError`.
  func userID(in run: String?) async throws -> UInt32? {
    if let known = self.known.withLock({ $0 }), known.run == run { return known.id }
    let properties = try await self.systemctl.properties(["User", "DynamicUser", "UID"], of: self.unit)
    let context = ExecContext.HostContext(properties: properties)
    // systemd learns the number from the process that it has started.
    let isToCome = context.userID == nil && (context.user != nil || properties["DynamicUser"] == "yes")
    if !isToCome { self.known.withLock { $0 = (run, context.userID) } }
    return context.userID
  }
}
