internal import Dispatch
import Glibc
import Spawning

/// A process that does nothing but keep two descriptors open, and outlives this one.
///
/// It is `sleep(1)`, with the descriptors as its standard output and error: what it holds is seen with `ls -l /proc/PID/fd`.
package final class DescriptorHolder: Sendable {
  /// The process.
  package let processID: Int32
  private let pidDescriptor: ReadableDescriptor
  private let descriptor: Int32

  // Starting blocks its thread, so it has no place on the cooperative pool.
  private static let queue = DispatchQueue(label: "systemd.holders")

  /// Takes up a process that holds a descriptor as its standard output; nil if there is none of that number, or another
  /// one by now.
  ///
  /// - Parameter descriptor: one of the same file.
  package init?(processID: Int32, holding descriptor: Int32) {
    let pidDescriptor = Linux.pidfdOpen(processID)
    guard pidDescriptor >= 0, let reader = ReadableDescriptor(pidDescriptor) else { return nil }
    self.processID = processID
    self.descriptor = pidDescriptor
    self.pidDescriptor = reader
    var (own, held) = (stat(), stat())
    guard fstat(descriptor, &own) == 0, stat("/proc/\(processID)/fd/1", &held) == 0,
      own.st_dev == held.st_dev, own.st_ino == held.st_ino
    else { return nil }
  }

  /// Starts a process that holds two descriptors, which stay open here.
  ///
  /// - Throws: ``SpawnError``.
  package static func start(holding first: Int32, _ second: Int32) async throws -> DescriptorHolder {
    let program = Spawn(
      path: Executable.find("sleep"), arguments: ["2147483647"], environment: [], directory: "/",
      streams: .descriptors(input: nil, output: first, error: second), leadsSession: true)
    return try await withCheckedThrowingContinuation { continuation in
      self.queue.async {
        continuation.resume(
          with: Result {
            let processID = try program.start()
            guard let holder = DescriptorHolder(processID: processID, holding: first) else {
              let error = errno
              kill(processID, SIGKILL)
              waitpid(processID, nil, 0)
              throw SpawnError(code: error)
            }
            return holder
          })
      }
    }
  }

  /// Ends the process and waits until it is gone, and what it held closed.
  package func end() async {
    _ = Linux.pidfdSendSignal(self.descriptor, SIGKILL)
    await self.pidDescriptor.wait()
    // One that an earlier process has started is not a child of this one.
    waitpid(self.processID, nil, WNOHANG)
  }

  deinit { self.pidDescriptor.close() }
}
