import Dispatch
import Glibc

/// Ctrl-C, SIGTERM and SIGHUP as a sequence, from the making of this object until ``cancel()``.
struct InterruptSignals: Sendable {
  let stream: AsyncStream<Int32>
  private let continuation: AsyncStream<Int32>.Continuation
  private let sources: [Source]

  private struct Source: @unchecked Sendable {
    // A dispatch source may be cancelled from any thread.
    let source: any DispatchSourceSignal
  }

  init() {
    let (stream, continuation) = AsyncStream.makeStream(of: Int32.self)
    self.stream = stream
    self.continuation = continuation
    self.sources = [SIGINT, SIGTERM, SIGHUP].map { number in
      // Otherwise the signal would end the process as well.
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number)
      source.setEventHandler { continuation.yield(number) }
      source.activate()
      return Source(source: source)
    }
  }

  func cancel() {
    self.continuation.finish()
    for source in self.sources { source.source.cancel() }
  }
}
