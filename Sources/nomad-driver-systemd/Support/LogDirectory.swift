import Dispatch
import Foundation
import Glibc

/// A private directory with the two FIFOs that Nomad's log collector has for a task.
struct LogDirectory {
  let path: String

  var standardOutput: String { "\(self.path)/stdout.fifo" }
  var standardError: String { "\(self.path)/stderr.fifo" }

  /// - Throws: `CocoaError` or `POSIXError` if the directory or the FIFOs cannot be made.
  init() throws {
    var template = Array("\(NSTemporaryDirectory())/nomad-driver-systemd-run-XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    self.path = String(cString: made)
    for fifo in [self.standardOutput, self.standardError] where mkfifo(fifo, 0o600) != 0 {
      let error = POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO)
      self.remove()
      throw error
    }
  }

  func remove() { try? FileManager.default.removeItem(atPath: self.path) }

  /// Opens a FIFO for reading, whether it has a writer or not.
  ///
  /// - Throws: `POSIXError`.
  func open(_ fifo: String) throws -> Int32 {
    let descriptor = Glibc.open(fifo, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    return descriptor
  }

  /// Copies what comes through a FIFO that has had a writer, until its last writer closes it, and closes it.
  func copyLines(from input: Int32, to output: Int32) async {
    await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
      // A thread of its own: reading and writing may block.
      DispatchQueue(label: "logs \(output)").async {
        defer {
          close(input)
          continuation.resume()
        }
        _ = fcntl(input, F_SETFL, fcntl(input, F_GETFL) & ~O_NONBLOCK)
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
          let count = read(input, &buffer, buffer.count)
          guard count > 0 else { return }
          var rest = buffer[..<count]
          while !rest.isEmpty {
            let written = rest.withUnsafeBytes { write(output, $0.baseAddress, $0.count) }
            // Nobody reads any more: the unit goes on all the same.
            if written <= 0 { break }
            rest = rest.dropFirst(written)
          }
        }
      }
    }
  }
}
