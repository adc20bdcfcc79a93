internal import Dispatch
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
  private let queue = DispatchQueue(label: "GoPlugin.LineReader")
  // Dispatch's objects may be used from any thread.
  private nonisolated(unsafe) let source: any DispatchSourceRead

  /// Fulfilled when no line will come any more.
  let ended = Promise<Void>()

  /// Takes over the descriptor, which must not block.
  ///
  /// - Parameter onLine: Called for one line after the other, on a queue of the reader's own.
  init(descriptor: Int32, onLine: @escaping @Sendable ([UInt8]) -> Void) {
    self.descriptor = descriptor
    self.onLine = onLine
    self.source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: self.queue)
    // The source keeps the reader alive until it is cancelled.
    self.source.setEventHandler { if self.read() == .end { self.source.cancel() } }
    self.source.setCancelHandler {
      close(descriptor)
      let rest = self.partialLine.withLock { Self.take(&$0) }
      if !rest.isEmpty { self.onLine(rest) }
      self.ended.fulfil(())
    }
    self.source.activate()
  }

  /// Reads what is in the pipe now and ends, even if somebody still holds the pipe open for writing.
  func finish() {
    self.queue.async {
      // A pipe that others keep filling does not keep us.
      for _ in 0..<64 { if self.source.isCancelled || self.read() != .some { break } }
      self.source.cancel()
    }
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
