import Foundation
import Logging
import Synchronization

/// Writes log lines to a descriptor, each with a single write(2), so that lines of several threads never mix.
///
/// A host that reads too slowly holds a line up for at most the writer's patience; then lines are dropped, at
/// once as long as nothing can be written, and their number is logged when the host reads again. A host that is
/// gone costs nothing: its lines are dropped. The process must not die of SIGPIPE, which ``PluginServer``
/// sees to.
public final class HCLogWriter: Sendable {
  private struct State {
    /// Lines dropped since the last one that was written.
    var dropped = 0
    /// Whether the last line was written only in part.
    var isInsideLine = false
  }

  /// The writer for this process's standard error.
  public static let standardError = HCLogWriter(descriptor: STDERR_FILENO)

  private let descriptor: Int32
  private let patience: Duration
  private let state = Mutex(State())

  /// Makes a writer with a duplicate of `descriptor`.
  ///
  /// - Parameters:
  ///   - descriptor: Open for writing; remains the caller's.
  ///   - patience: How long a line may wait for a reader.
  public init(descriptor: Int32, patience: Duration = .milliseconds(100)) {
    self.patience = patience
    self.descriptor = Self.duplicate(descriptor)
  }

  deinit { close(self.descriptor) }

  /// A pipe is opened anew: only so can it be written to without blocking here, while it keeps blocking for
  /// others that have it. (The new descriptor would have a place of its own in a file, so not there.)
  private static func duplicate(_ descriptor: Int32) -> Int32 {
    var status = stat()
    if fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFIFO {
      let pipe = open("/proc/self/fd/\(descriptor)", O_WRONLY | O_NONBLOCK | O_CLOEXEC)
      if pipe >= 0 { return pipe }
    }
    return fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
  }

  /// Writes a line, or drops it.
  func write(_ line: HCLogLine) {
    self.state.withLock { state in
      let limit = state.dropped == 0 ? self.patience : .zero
      let deadline = ContinuousClock.now + limit
      let count = state.dropped
      if count > 0 {
        let notice = HCLogLine(
          level: .warning, module: "hclog", message: "log lines were dropped: nobody took them in time",
          metadata: ["dropped": .stringConvertible(count)])
        guard self.write(notice.bytes, &state, until: deadline) else {
          state.dropped += 1
          return
        }
        state.dropped = 0
      }
      if !self.write(line.bytes, &state, until: deadline) { state.dropped += 1 }
    }
  }

  /// Whether the line was written in full.
  private func write(_ line: [UInt8], _ state: inout State, until deadline: ContinuousClock.Instant) -> Bool {
    // Ends the part of a line that was written before.
    let bytes = state.isInsideLine ? [UInt8(ascii: "\n")] + line : line
    let written = writeBytes(bytes, to: self.descriptor, until: deadline)
    if written > 0 { state.isInsideLine = written < bytes.count }
    return written == bytes.count
  }
}
