import CLinux
import Dispatch
import Glibc

/// A process that does nothing but keep two descriptors open, and outlives this one.
///
/// It is `sleep(1)` with the descriptors as its standard output and error; `ls -l /proc/PID/fd` shows them.
/// Until ``detach()`` it is a shell that ends with this process, so that no keeper is left before its number
/// has been saved.
package final class DescriptorKeeper: Sendable {
  /// The process ID.
  package let processID: Int32
  private let pidDescriptor: ReadableDescriptor
  private let descriptor: Int32
  /// The shell's input; a line makes it become `sleep`. Nil for an adopted process.
  private let order: InputPipe?

  // Starting a process blocks, so it must not run on the cooperative pool.
  private static let queue = DispatchQueue(label: "processes.keepers")

  /// Adopts a keeper that an earlier process has started.
  ///
  /// - Parameter descriptor: a descriptor of the file that is the keeper's standard output.
  /// - Returns: nil if there is no such process, or the number is another process's by now.
  package convenience init?(processID: Int32, holding descriptor: Int32) {
    self.init(processID: processID, holding: descriptor, order: nil)
  }

  private init?(processID: Int32, holding descriptor: Int32, order: InputPipe?) {
    self.order = order
    let pidDescriptor = linux_pidfd_open(processID)
    guard pidDescriptor >= 0, let reader = ReadableDescriptor(pidDescriptor) else { return nil }
    self.processID = processID
    self.descriptor = pidDescriptor
    self.pidDescriptor = reader
    var (own, held) = (stat(), stat())
    guard fstat(descriptor, &own) == 0, stat("/proc/\(processID)/fd/1", &held) == 0,
      own.st_dev == held.st_dev, own.st_ino == held.st_ino
    else { return nil }
  }

  /// Starts a process that keeps two descriptors open, which also stay open in this process.
  ///
  /// - Throws: ``SpawnError``.
  package static func start(holding first: Int32, _ second: Int32) async throws -> DescriptorKeeper {
    guard let order = InputPipe() else { throw SpawnError(code: errno) }
    let program = Spawn(
      path: "/bin/sh",
      arguments: ["-c", #"read -r order && exec "$0" 2147483647 </dev/null"#, Executable.find("sleep")],
      environment: [], directory: "/",
      streams: .descriptors(input: order.readingEnd, output: first, error: second), leadsSession: true)
    return try await withCheckedThrowingContinuation { continuation in
      self.queue.async {
        continuation.resume(
          with: Result {
            let processID = try program.start()
            order.closeReadingEnd()
            guard let keeper = DescriptorKeeper(processID: processID, holding: first, order: order) else {
              let error = errno
              kill(processID, SIGKILL)
              waitpid(processID, nil, 0)
              throw SpawnError(code: error)
            }
            return keeper
          })
      }
    }
  }

  /// Lets the process outlive this one.
  package func detach() async {
    _ = try? await self.order?.writingEnd.write([UInt8(ascii: "\n")])
    self.order?.writingEnd.close()
  }

  /// Kills the process and waits until it is gone and its descriptors are closed.
  package func end() async {
    _ = linux_pidfd_send_signal(self.descriptor, SIGKILL)
    await self.pidDescriptor.wait()
    // A keeper that an earlier process has started is not a child of this one.
    waitpid(self.processID, nil, WNOHANG)
  }

  deinit { self.pidDescriptor.close() }
}
