import CLinux
import Glibc

/// Reports when a process of this host exits, whoever's child it is, by a pidfd (`pidfd_open(2)`).
///
/// This is a hint to poll systemd, not an answer: the number may be another process's by now, and systemd
/// learns of the exit a moment later.
package final class ProcessExitMonitor: Sendable {
  private let descriptor: Int32
  private let id: UInt64
  private let monitor: ReadinessMonitor

  /// Monitors a process until this object is released; nil if there is no such process, or the kernel has no
  /// pidfds.
  ///
  /// - Parameter onEnd: is called once when the process has ended, at once if it already has. It must not
  ///   block.
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
