internal import Foundation
internal import Promises
internal import Synchronization

/// Reads a pipe to its end and hands on each line as soon as it is there, without its line break.
///
/// A line longer than 64 KiB is handed on in pieces, as go-plugin does.
final class LineReader: Sendable {
  private static let maximumLength = 64 * 1024

  private let descriptor: Int32
  private let onLine: @Sendable ([UInt8]) -> Void
  private let partialLine = Mutex<[UInt8]>([])
  /// A pipe that nobody writes to: its writing end is closed to end the reading.
  private let wakeUp: (reader: Int32, writer: Int32)
  private let isFinishing = Mutex(false)

  /// Fulfilled when no line will come any more.
  let ended = Promise<Void>()

  /// Takes over the descriptor, which must not block.
  ///
  /// It is read by a thread of its own: a source of Dispatch would do, but on Linux libdispatch uses memory that it
  /// has freed when the other end of a pipe is closed (Swift 6.3, `_dispatch_event_loop_drain`).
  ///
  /// - Parameter onLine: Called for one line after the other, on the reader's thread.
  init(descriptor: Int32, onLine: @escaping @Sendable ([UInt8]) -> Void) {
    self.descriptor = descriptor
    self.onLine = onLine
    var ends: [Int32] = [-1, -1]
    // Without a free descriptor, what others hold open is read to its end.
    if pipe(&ends) == 0 { for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) } }
    self.wakeUp = (ends[0], ends[1])
    Thread.detachNewThread {
      self.readAll()
      close(self.descriptor)
      if self.wakeUp.reader >= 0 { close(self.wakeUp.reader) }
      let rest = self.partialLine.withLock { Self.take(&$0) }
      if !rest.isEmpty { self.onLine(rest) }
      self.finish()
      self.ended.fulfil(())
    }
  }

  /// Reads what is in the pipe now and ends, even if somebody still holds the pipe open for writing.
  func finish() {
    self.isFinishing.withLock { isFinishing in
      if !isFinishing, self.wakeUp.writer >= 0 { close(self.wakeUp.writer) }
      isFinishing = true
    }
  }

  private func readAll() {
    while true {
      var descriptors = [
        pollfd(fd: self.descriptor, events: Int16(POLLIN), revents: 0),
        pollfd(fd: self.wakeUp.reader, events: Int16(POLLIN), revents: 0),
      ]
      poll(&descriptors, 2, -1)
      guard descriptors[1].revents == 0 else { break }
      if self.read() == .end { return }
    }
    // A pipe that others keep filling does not keep us.
    for _ in 0..<64 { if self.read() != .some { return } }
  }

  private enum Outcome { case some, noneNow, end }

  /// Reads once.
  private func read() -> Outcome {
    var outcome = Outcome.some
    let bytes = [UInt8](unsafeUninitializedCapacity: Self.maximumLength) { buffer, count in
      let length = Glibc.read(self.descriptor, buffer.baseAddress, buffer.count)
      if length < 0, errno == EAGAIN || errno == EINTR {
        outcome = .noneNow
      } else if length <= 0 {
        outcome = .end
      }
      count = max(0, length)
    }
    guard outcome == .some else { return outcome }
    let lines = self.partialLine.withLock { partialLine in
      var pieces = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
      let rest = pieces.removeLast()
      var lines: [[UInt8]] = []
      for piece in pieces {
        lines.append(Self.take(&partialLine) + piece)
      }
      partialLine += rest
      if partialLine.count >= Self.maximumLength { lines.append(Self.take(&partialLine)) }
      return lines
    }
    for line in lines { self.onLine(line) }
    return .some
  }

  private static func take(_ bytes: inout [UInt8]) -> [UInt8] {
    defer { bytes = [] }
    return bytes
  }
}
