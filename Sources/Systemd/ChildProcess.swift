import Foundation
import Glibc
import Synchronization

/// A running child process, with its standard output and standard error, until it is reaped.
///
/// Foundation's `Process` starts it, in a process group of its own and with all other descriptors closed. Its way
/// of seeing the end is not used: a socket that the child inherits tells nothing while a grandchild holds it
/// (swift-corelibs-foundation issue 4795), and if the child closes it early, as ssh does, the one thread that
/// looks after all processes blocks in `waitpid`. A pidfd tells exactly when the child has died.
final class ChildProcess: Sendable {
  /// Why a child was told to end.
  enum KillReason {
    case cancelled, timedOut, outputRefused
  }

  private struct State {
    var killReason: KillReason?
    var isReaped = false
  }

  /// The time between SIGTERM and SIGKILL.
  static let grace = DispatchTimeInterval.milliseconds(500)

  // One at a time: a child started in parallel would inherit the other one's socket from Foundation, which is
  // not close-on-exec. Starting blocks its thread, so it has no place on the cooperative pool either.
  private static let spawnQueue = DispatchQueue(label: "systemd.spawn")

  let standardOutput: ReadableDescriptor
  let standardError: ReadableDescriptor
  private let pidDescriptor: ReadableDescriptor
  private let processID: pid_t
  private let state = Mutex(State())

  /// Starts a command.
  ///
  /// - Throws: ``CommandError``.
  static func start(_ command: Command, environment: [String: String]) async throws -> ChildProcess {
    try await withCheckedThrowingContinuation { continuation in
      spawnQueue.async {
        continuation.resume(with: Result { try ChildProcess(command, environment: environment) })
      }
    }
  }

  private init(_ command: Command, environment: [String: String]) throws(CommandError) {
    try Executable.check(command)
    var pipes: [Pipe] = []
    defer { for pipe in pipes { Glibc.close(pipe.writingEnd) } }
    do throws(CommandError) {
      pipes.append(try Pipe(for: command))
      pipes.append(try Pipe(for: command))
      processID = try Self.spawn(command, environment, pipes[0].writingEnd, pipes[1].writingEnd)
      guard let descriptor = Self.open(processID) else {
        let error = errno
        kill(-processID, SIGKILL)
        waitpid(processID, nil, 0)
        throw Self.descriptorError(command, error)
      }
      pidDescriptor = descriptor
    } catch {
      for pipe in pipes { pipe.readingEnd.close() }
      throw error
    }
    standardOutput = pipes[0].readingEnd
    standardError = pipes[1].readingEnd
  }

  /// Tells the child and all of its process group to end, and kills them if they don't within ``grace``.
  ///
  /// Does nothing for a child that has been told before or is reaped.
  func end(because reason: KillReason) {
    let isFirst = state.withLock { state in
      guard !state.isReaped, state.killReason == nil else { return false }
      state.killReason = reason
      signalGroup(SIGTERM)
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
  func waitForEnd() async -> (termination: Termination?, killReason: KillReason?) {
    var status: Int32 = 0
    var killReason: KillReason?
    var reaped: pid_t = 0
    repeat {
      await pidDescriptor.wait()
      state.withLock { state in
        // The child is dead. Until it is reaped, its process group's number is not given to others.
        if state.killReason != nil { signalGroup(SIGKILL) }
        reaped = waitpid(processID, &status, WNOHANG)
        state.isReaped = reaped != 0
        killReason = state.killReason
      }
    } while reaped == 0
    // All that the child wrote is in the pipes now. A descendant that holds them open isn't waited for.
    standardOutput.finish()
    standardError.finish()
    guard reaped == processID else { return (nil, killReason) }
    let signal = status & 0x7f
    return (signal == 0 ? .exited((status >> 8) & 0xff) : .signaled(signal), killReason)
  }

  /// Closes the descriptors of a child that has been reaped and whose output is not read any more.
  func close() {
    pidDescriptor.close()
    standardOutput.close()
    standardError.close()
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
    _ command: Command, _ environment: [String: String], _ output: Int32, _ error: Int32
  ) throws(CommandError) -> pid_t {
    try checkDescriptorsAreLeft(for: command)
    let process = UnreapedProcess()
    process.executableURL = URL(fileURLWithPath: command.executable, isDirectory: false)
    process.arguments = command.arguments
    process.environment = environment
    process.currentDirectoryURL = URL(fileURLWithPath: "/", isDirectory: true)
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle(fileDescriptor: output, closeOnDealloc: false)
    process.standardError = FileHandle(fileDescriptor: error, closeOnDealloc: false)
    // A child inherits the signal mask of the thread that starts it, and Dispatch's threads block nearly all.
    var none = sigset_t()
    var mask = sigset_t()
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &mask)
    defer { pthread_sigmask(SIG_SETMASK, &mask, nil) }
    do {
      try process.run()
    } catch {
      throw .spawnFailed(command, reason: error.localizedDescription)
    }
    return process.childProcessID
  }

  private static func open(_ processID: pid_t) -> ReadableDescriptor? {
    let descriptor = Linux.pidfdOpen(processID)
    return descriptor < 0 ? nil : ReadableDescriptor(descriptor)
  }

  /// Foundation takes no notice if it gets no socket and goes on with descriptor 0 in its place.
  private static func checkDescriptorsAreLeft(for command: Command) throws(CommandError) {
    let spare = (0..<8).map { _ in Glibc.open("/dev/null", O_RDONLY | O_CLOEXEC) }
    let error = errno
    for descriptor in spare where descriptor >= 0 { Glibc.close(descriptor) }
    if spare.contains(where: { $0 < 0 }) { throw descriptorError(command, error) }
  }

  private static func descriptorError(_ command: Command, _ error: Int32) -> CommandError {
    let hint = error == EMFILE || error == ENFILE ? "; raise the limit on open files (LimitNOFILE=)" : ""
    return .spawnFailed(command, reason: String(cString: strerror(error)) + hint)
  }
}

/// A process that Foundation starts but does not reap.
///
/// When Foundation believes that the child has ended it waits for the process of this number, so it is given one
/// that does not exist.
private final class UnreapedProcess: Process, @unchecked Sendable {
  var childProcessID: pid_t { super.processIdentifier }

  override var processIdentifier: Int32 { super.processIdentifier > 0 ? .max : 0 }
}
