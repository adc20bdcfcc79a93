import CLinux
import Glibc

/// Tells when a process of this host ends, whoever's child it is: by a pidfd (`pidfd_open(2)`).
///
/// It is a hint for when to look, never the answer: the number may be another process's by now, and systemd learns
/// of the end a moment later.
package final class ProcessExitMonitor: Sendable {
  private let descriptor: Int32
  private let id: UInt64
  private let monitor: ReadinessMonitor

  /// Begins to look after a process, until this object is gone; `nil` if there is none of that number or the system
  /// does not offer this.
  ///
  /// - Parameter onEnd: is called once when the process has ended, at once if it has already; it must not block.
  package init?(of processID: Int32, onEnd: @escaping @Sendable () -> Void) {
    let descriptor = linux_pidfd_open(processID)
    guard descriptor >= 0 else { return nil }
    guard let monitor = ReadinessMonitor.shared, let id = monitor.add(descriptor, onReady: onEnd) else {
      close(descriptor)
      return nil
    }
    self.descriptor = descriptor
    self.id = id
    self.monitor = monitor
    monitor.arm(descriptor, id: id)
  }

  deinit {
    self.monitor.remove(self.descriptor, id: self.id)
    close(self.descriptor)
  }
}
