import GRPCCore
import Synchronization

/// What follows the setup message of a streaming command, for one reader.
///
/// A second reader finds nothing: a call can be read only once.
final class ExecInputs: AsyncSequence, Sendable {
  typealias Messages = RPCAsyncSequence<WireExecTaskStreamingRequest, any Error>

  struct AsyncIterator: AsyncIteratorProtocol {
    fileprivate var messages: Messages.AsyncIterator?
    private var pending: ArraySlice<ExecInput> = []
    private var isStdinClosed = false

    fileprivate init(_ messages: Messages.AsyncIterator?) {
      self.messages = messages
    }

    /// The next input; nil when the peer has ended its side of the call.
    ///
    /// - Throws: `RPCError` for a second setup message; what the transport throws.
    mutating func next() async throws -> ExecInput? {
      while true {
        while let input = pending.popFirst() {
          switch input {
          case .stdin where isStdinClosed, .stdinClosed where isStdinClosed: continue
          case .stdinClosed: isStdinClosed = true
          case .stdin, .terminalSize: break
          }
          return input
        }
        guard let message = try await messages?.next() else { return nil }
        guard !message.hasSetup else {
          throw RPCError(
            code: .invalidArgument, message: "ExecTaskStreaming: only the first message may have 'setup'")
        }
        pending = ExecInput.list(message)[...]
      }
    }
  }

  private let iterator: Mutex<AsyncIterator?>

  init(_ messages: sending Messages.AsyncIterator) {
    iterator = Mutex(AsyncIterator(messages))
  }

  func makeAsyncIterator() -> AsyncIterator {
    iterator.withLock { iterator in
      let taken = iterator
      iterator = nil
      return taken ?? AsyncIterator(nil)
    }
  }
}
