package import Dispatch
import Foundation
import Glibc
import Spawning
import Synchronization

/// A running child process, with its standard output and standard error, until it is reaped.
///
/// It leads a session, and so a process group, of its own. Foundation's `Process` is not used: it sees the end of a
/// child by a socket that the child inherits, which tells nothing while a grandchild holds it
/// (swift-corelibs-foundation issue 4795), and starting one crashes in a process with more than some thousand
/// descriptors (Swift 6.3: two hundred tasks have that). A pidfd tells exactly when the child has died.
package final class ChildProcess: Sendable {
  /// Why a child was told to end.
  package enum KillReason: Sendable {
    case cancelled, timedOut, outputRefused
  }

  /// What a child's standard descriptors are.
  package enum Streams: Sendable {
    /// Pipes, apart for output and error. The input is a descriptor, which stays open here; without one, `/dev/null`.
    case pipes(input: Int32?)
    /// A terminal, by its path: the controlling one. Its other end, in non-blocking mode, is read as the output, and
    /// is closed with the child's or if the start fails. There is nothing on standard error.
    case terminal(path: String, otherEnd: Int32)
  }

  private struct State {
    var killReason: KillReason?
    var isReaped = false
    /// Who was to end with the child, where that is more than its process group.
    var family: ProcessFamily?
  }

  /// The time between SIGTERM and SIGKILL.
  package static let grace = DispatchTimeInterval.milliseconds(500)

  // Starting blocks its thread, so it has no place on the cooperative pool.
  private static let spawnQueue = DispatchQueue(label: "systemd.spawn")

  package let standardOutput: ReadableDescriptor
  package let standardError: ReadableDescriptor
  /// What the child writes to its `Spawn.reportDescriptor`, if it has one.
  package let report: ReadableDescriptor?
  private let endsFamily: Bool
  private let hasTerminal: Bool
  private let pidDescriptor: ReadableDescriptor
  private let processID: pid_t
  private let state = Mutex(State())

  /// Starts a command.
  ///
  /// - Parameters:
  ///   - command: the program and its arguments; its limits are the caller's to keep.
  ///   - environment: `NAME=VALUE`, in any encoding.
  ///   - streams: what its standard descriptors are.
  ///   - reports: whether it gets a ``report`` descriptor.
  ///   - endsFamily: whether a child that is told to end takes along what comes from it (``ProcessFamily``), and not
  ///     only its process group.
  /// - Throws: ``CommandError``.
  package static func start(
    _ command: Command, environment: [[UInt8]], streams: Streams = .pipes(input: nil), reports: Bool = false,
    endsFamily: Bool = false
  ) async throws -> ChildProcess {
    try await withCheckedThrowingContinuation { continuation in
      spawnQueue.async {
        continuation.resume(
          with: Result {
            try ChildProcess(
              command, environment: environment, streams: streams, reports: reports, endsFamily: endsFamily)
          })
      }
    }
  }

  private init(
    _ command: Command, environment: [[UInt8]], streams: Streams, reports: Bool, endsFamily: Bool
  ) throws(CommandError) {
    try Executable.check(command)
    self.endsFamily = endsFamily
    hasTerminal = if case .terminal = streams { true } else { false }
    var readers: [ReadableDescriptor] = []
    var writingEnds: [Int32] = []
    defer { for end in writingEnds { Glibc.close(end) } }
    do throws(CommandError) {
      let errorPipe = try Pipe(for: command)
      readers.append(errorPipe.readingEnd)
      writingEnds.append(errorPipe.writingEnd)
      let childStreams: Spawn.Streams
      switch streams {
      case .pipes(let input):
        let outputPipe = try Pipe(for: command)
        readers.append(outputPipe.readingEnd)
        writingEnds.append(outputPipe.writingEnd)
        childStreams = .descriptors(
          input: input, output: outputPipe.writingEnd, error: errorPipe.writingEnd)
      case .terminal(let path, let otherEnd):
        let own = fcntl(otherEnd, F_DUPFD_CLOEXEC, 0)
        guard own >= 0, let reader = ReadableDescriptor(own, isTerminal: true) else {
          throw Self.descriptorError(command, errno)
        }
        readers.append(reader)
        childStreams = .terminal(path: path)
      }
      if reports {
        let reportPipe = try Pipe(for: command)
        readers.append(reportPipe.readingEnd)
        writingEnds.append(reportPipe.writingEnd)
      }
      processID = try Self.spawn(command, environment, childStreams, report: reports ? writingEnds.last : nil)
      guard let descriptor = Self.open(processID) else {
        let error = errno
        kill(-processID, SIGKILL)
        waitpid(processID, nil, 0)
        throw Self.descriptorError(command, error)
      }
      pidDescriptor = descriptor
    } catch {
      for reader in readers { reader.close() }
      throw error
    }
    standardError = readers[0]
    standardOutput = readers[1]
    report = reports ? readers[2] : nil
  }

  /// Tells the child and all of its process group to end, and kills them if they don't within ``grace``.
  ///
  /// Does nothing for a child that has been told before or is reaped.
  package func end(because reason: KillReason) {
    let isFirst = state.withLock { state in
      guard !state.isReaped, state.killReason == nil else { return false }
      state.killReason = reason
      if endsFamily { state.family = ProcessFamily(of: processID) }
      signalGroup(SIGTERM)
      // A shell at a terminal ignores the one above.
      if hasTerminal { signalGroup(SIGHUP) }
      state.family?.signal(SIGTERM)
      // A stopped process gets to see the other signal only when it goes on.
      signalGroup(SIGCONT)
      return true
    }
    guard isFirst else { return }
    DispatchQueue.global().asyncAfter(deadline: .now() + Self.grace) { [weak self] in
      guard let self else { return }
      state.withLock { state in
        if !state.isReaped { signalGroup(SIGKILL) }
      }
    }
  }

  /// Waits until the child has died, reaps it and ends the reading of its output.
  ///
  /// - Returns: how it ended (`nil` if somebody else has reaped it), and why it was told to, if it was.
  package func waitForEnd() async -> (termination: Termination?, killReason: KillReason?) {
    var status: Int32 = 0
    var killReason: KillReason?
    var reaped: pid_t = 0
    repeat {
      await pidDescriptor.wait()
      state.withLock { state in
        // The child is dead. Until it is reaped, its process group's number is not given to others.
        if state.killReason != nil {
          signalGroup(SIGKILL)
          state.family?.grow()
          state.family?.signal(SIGKILL)
        }
        reaped = waitpid(processID, &status, WNOHANG)
        state.isReaped = reaped != 0
        killReason = state.killReason
      }
    } while reaped == 0
    // All that the child wrote is in the pipes now. A descendant that holds them open isn't waited for.
    standardOutput.finish()
    standardError.finish()
    report?.finish()
    guard reaped == processID else { return (nil, killReason) }
    let signal = status & 0x7f
    return (signal == 0 ? .exited((status >> 8) & 0xff) : .signaled(signal), killReason)
  }

  /// Closes the descriptors of a child that has been reaped and whose output is not read any more.
  package func close() {
    pidDescriptor.close()
    standardOutput.close()
    standardError.close()
    report?.close()
  }

  private func signalGroup(_ signal: Int32) {
    if kill(-processID, signal) != 0 { kill(processID, signal) }
  }

  // MARK: Starting

  private struct Pipe {
    let readingEnd: ReadableDescriptor
    let writingEnd: Int32

    /// A pipe with both ends close-on-exec and a reading end that does not block.
    init(for command: Command) throws(CommandError) {
      var ends: [Int32] = [-1, -1]
      guard pipe(&ends) == 0 else { throw descriptorError(command, errno) }
      for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
      _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
      // A larger pipe means fewer, larger reads. Where the kernel refuses it, the usual size does.
      _ = fcntl(ends[0], Linux.setPipeSize, Int32(ReadableDescriptor.chunkSize))
      guard let readingEnd = ReadableDescriptor(ends[0]) else {
        let error = errno
        Glibc.close(ends[1])
        throw descriptorError(command, error)
      }
      self.readingEnd = readingEnd
      writingEnd = ends[1]
    }
  }

  private static func spawn(
    _ command: Command, _ environment: [[UInt8]], _ streams: Spawn.Streams, report: Int32?
  ) throws(CommandError) -> pid_t {
    let program = Spawn(
      path: command.executable, arguments: command.arguments, environment: environment, directory: "/",
      streams: streams, leadsSession: true, report: report)
    do {
      return try program.start()
    } catch {
      throw .spawnFailed(command, reason: String(cString: strerror(error.code)))
    }
  }

  private static func open(_ processID: pid_t) -> ReadableDescriptor? {
    let descriptor = Linux.pidfdOpen(processID)
    return descriptor < 0 ? nil : ReadableDescriptor(descriptor)
  }

  private static func descriptorError(_ command: Command, _ error: Int32) -> CommandError {
    let hint = error == EMFILE || error == ENFILE ? "; raise the limit on open files (LimitNOFILE=)" : ""
    return .spawnFailed(command, reason: String(cString: strerror(error)) + hint)
  }
}
