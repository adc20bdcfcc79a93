import Foundation
import Glibc
import NomadPlugin

/// A directory in a task's allocation. The task may be able to write to it, so it is reached from the allocation's own
/// directory, which is Nomad's, without following a link.
final class AllocationDirectory: Sendable {
  private let descriptor: Int32

  /// Opens the directory that a file of the task is in. The path to a file outside the allocation may have links.
  ///
  /// - Throws: `DriverError` (unrecoverable) with the system's reason.
  init(of file: String, for task: TaskConfig) throws {
    let directory = Self.components(file).dropLast()
    let base = Self.components(task.allocationDirectory)
    let isInside = !base.isEmpty && directory.starts(with: base)
    let path = "/" + directory.joined(separator: "/")
    var descriptor = Glibc.open(
      isInside ? task.allocationDirectory : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if isInside {
      for component in directory.dropFirst(base.count) where descriptor >= 0 {
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        let next = component == ".." ? -1 : openat(descriptor, component, flags)
        let reason = errno
        close(descriptor)
        errno = reason
        descriptor = next
      }
    }
    guard descriptor >= 0 else {
      let reason =
        errno == ENOTDIR || errno == ELOOP
        ? "a link, or no directory, is on the way" : String(cString: strerror(errno))
      throw DriverError.unrecoverable("Cannot enter '\(path)' to deliver the task's logs: \(reason).")
    }
    self.descriptor = descriptor
  }

  deinit { close(self.descriptor) }

  /// The components of a path, split by bytes as the kernel does. To Swift a slash with a combining mark after it is
  /// another Character.
  private static func components(_ path: String) -> [String] {
    path.utf8.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }
  }

  /// Opens a file of the directory, and follows no link.
  ///
  /// - Returns: a descriptor; -1 on failure, with `errno` set.
  func open(_ name: String, _ flags: Int32) -> Int32 {
    openat(self.descriptor, name, flags | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0o600)
  }

  /// Removes a file of the directory.
  func remove(_ name: String) { unlinkat(self.descriptor, name, 0) }
}
