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
    var descriptors: [Int32] = []
    do throws(CommandError) {
      descriptors += try Self.makePipe(for: command)
      descriptors += try Self.makePipe(for: command)
      try Self.checkDescriptorsAreLeft(for: command)
      let process = UnreapedProcess()
      process.executableURL = URL(fileURLWithPath: command.executable, isDirectory: false)
      process.arguments = command.arguments
      process.environment = environment
      process.currentDirectoryURL = URL(fileURLWithPath: "/", isDirectory: true)
      process.standardInput = FileHandle.nullDevice
      process.standardOutput = FileHandle(fileDescriptor: descriptors[1], closeOnDealloc: false)
      process.standardError = FileHandle(fileDescriptor: descriptors[3], closeOnDealloc: false)
      do {
        try Self.withoutBlockedSignals { try process.run() }
      } catch {
        throw CommandError.spawnFailed(command, reason: "\(error.localizedDescription)")
      }
      processID = process.childProcessID
      let pidDescriptor = PIDDescriptor.open(processID)
      guard pidDescriptor >= 0 else {
        let reason = String(cString: strerror(errno))
        kill(-processID, SIGKILL)
        waitpid(processID, nil, 0)
        throw CommandError.spawnFailed(command, reason: "pidfd_open of the child: \(reason)")
      }
      self.pidDescriptor = ReadableDescriptor(pidDescriptor)
    } catch {
      for descriptor in descriptors { Glibc.close(descriptor) }
      throw error
    }
    Glibc.close(descriptors[1])
    Glibc.close(descriptors[3])
    standardOutput = ReadableDescriptor(descriptors[0])
    standardError = ReadableDescriptor(descriptors[2])
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
  func close() async {
    await pidDescriptor.close()
    await standardOutput.close()
    await standardError.close()
  }

  /// Runs a closure while the calling thread blocks no signals.
  ///
  /// A child inherits the mask of the thread that starts it, and Dispatch's threads block nearly all signals.
  private static func withoutBlockedSignals(_ body: () throws -> Void) throws {
    var none = sigset_t()
    var previous = sigset_t()
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &previous)
    defer { pthread_sigmask(SIG_SETMASK, &previous, nil) }
    try body()
  }

  private func signalGroup(_ signal: Int32) {
    if kill(-processID, signal) != 0 { kill(processID, signal) }
  }

  /// `F_SETPIPE_SZ` of `fcntl(2)`, which the Glibc module does not show.
  private static let setPipeSize: Int32 = 1031

  /// A pipe whose reading end does not block: `[reading end, writing end]`, both close-on-exec.
  private static func makePipe(for command: Command) throws(CommandError) -> [Int32] {
    var pipe: [Int32] = [-1, -1]
    guard Glibc.pipe(&pipe) == 0 else { throw descriptorError(command) }
    for descriptor in pipe { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
    _ = fcntl(pipe[0], F_SETFL, O_NONBLOCK)
    // A larger pipe means fewer, larger reads. Where the kernel refuses it, the usual size does.
    _ = fcntl(pipe[0], setPipeSize, Int32(ReadableDescriptor.chunkSize))
    return pipe
  }

  /// Foundation takes no notice if it gets no socket and goes on with descriptor 0 in its place.
  private static func checkDescriptorsAreLeft(for command: Command) throws(CommandError) {
    let spare = (0..<8).map { _ in open("/dev/null", O_RDONLY | O_CLOEXEC) }
    let lacks = spare.contains { $0 < 0 }
    let error = descriptorError(command)
    for descriptor in spare where descriptor >= 0 { Glibc.close(descriptor) }
    if lacks { throw error }
  }

  private static func descriptorError(_ command: Command) -> CommandError {
    .spawnFailed(
      command, reason: "\(String(cString: strerror(errno))); raise the limit on open files (LimitNOFILE=)")
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

/// The system call `pidfd_open(2)` (Linux 5.3), which glibc offers from 2.36 only.
private enum PIDDescriptor {
  private typealias SystemCall = @convention(c) (CLong, CLong, CLong) -> CLong

  private static let number: CLong = 434

  private static let systemCall: SystemCall? = dlsym(nil, "syscall").map {
    unsafeBitCast($0, to: SystemCall.self)
  }

  /// A descriptor, close-on-exec, that becomes readable when the process dies; -1 with `errno` set on failure.
  static func open(_ processID: pid_t) -> Int32 {
    guard let systemCall else {
      errno = ENOSYS
      return -1
    }
    return Int32(systemCall(number, CLong(processID), 0))
  }
}
