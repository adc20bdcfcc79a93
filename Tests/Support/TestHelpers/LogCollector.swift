import Foundation
import Synchronization

/// Reads a FIFO as Nomad's log collector does: it waits for a writer, and ends with the last one.
package final class LogCollector: Sendable {
  private struct State {
    var bytes: [UInt8] = []
    var hasEnded = false
    var isPaused = false
    var isToEnd = false
  }

  private let path: String
  private let state = Mutex(State())

  package init(of path: String) {
    self.path = path
    self.start()
  }

  /// Reads again after ``end()``, as a new process of the collector does.
  package func start() {
    self.state.withLock { state in
      state.hasEnded = false
      state.isToEnd = false
    }
    let thread = Thread { [weak self, path] in
      let descriptor = open(path, O_RDONLY | O_CLOEXEC)
      defer { close(descriptor) }
      var buffer = [UInt8](repeating: 0, count: 65536)
      while let isPaused = self?.state.withLock({ $0.isToEnd ? nil : $0.isPaused }) {
        var poll = pollfd(fd: descriptor, events: Int16(isPaused ? 0 : POLLIN), revents: 0)
        guard Foundation.poll(&poll, 1, 10) > 0, !isPaused else {
          if isPaused { usleep(10000) }
          continue
        }
        let count = read(descriptor, &buffer, buffer.count)
        guard count > 0 else { break }
        self?.state.withLock { $0.bytes += buffer[..<count] }
      }
      self?.state.withLock { $0.hasEnded = true }
    }
    thread.start()
  }

  /// Reads nothing until ``resume()``.
  package func pause() { self.state.withLock { $0.isPaused = true } }

  package func resume() { self.state.withLock { $0.isPaused = false } }

  /// Closes the FIFO, as when the collector dies; one that still waits for a writer is let go.
  package func end() {
    self.state.withLock { $0.isToEnd = true }
    close(open(self.path, O_RDWR | O_NONBLOCK | O_CLOEXEC))
  }

  package var hasEnded: Bool { self.state.withLock { $0.hasEnded } }

  /// How much has been collected so far.
  package var byteCount: Int { self.state.withLock { $0.bytes.count } }

  /// What has been collected so far.
  package var bytes: [UInt8] { self.state.withLock { $0.bytes } }
  package var lines: [String] {
    String(decoding: self.bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
      .dropLast().map { String($0) }
  }

  /// Waits until the end of the file. Gives the lines.
  package func allLines() async throws -> [String] {
    try await eventually("the end of the log") { self.hasEnded }
    return self.lines
  }
}
