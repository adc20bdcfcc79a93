internal import Foundation
internal import Promises
internal import Synchronization

/// A program that this process has started: its output by lines, and its end.
///
/// Foundation's `Process` is not used because it learns of the end of a program by a descriptor that the
/// program's own children inherit, and hands down ignored and blocked signals. Whoever starts a program must
/// see to it that it ends: it is not killed with this object.
final class ChildProcess: Sendable {
  /// How a program ended.
  enum ExitStatus: Equatable, Sendable, CustomStringConvertible {
    case exited(Int32)
    case killed(signal: Int32)

    var description: String {
      switch self {
      case .exited(let code): "exit status \(code)"
      case .killed(let signal): "killed by signal \(signal)"
      }
    }
  }

  let processIdentifier: pid_t

  /// Fulfilled when the program itself has ended, whatever its children do, and all that it wrote has been
  /// handed on.
  let end = Promise<ExitStatus>()

  private let isReaped = Mutex(false)

  /// Held while pipes exist that another program, started at the same time, could inherit.
  private static let spawning = Mutex(())

  /// Starts a program. It has no other descriptors than the standard ones, and all signals as by default.
  ///
  /// - Parameters:
  ///   - input: What it reads from its standard input; at most what a pipe holds (pipe(7)).
  ///   - onOutput: Called for each line on its standard output, one after the other.
  ///   - onError: Called for each line on its standard error, one after the other.
  /// - Throws: ``ChildProcessError``.
  static func spawn(
    _ path: String, _ arguments: [String], environment: [String: String], input: [UInt8] = [],
    onOutput: @escaping @Sendable ([UInt8]) -> Void, onError: @escaping @Sendable ([UInt8]) -> Void
  ) throws(ChildProcessError) -> ChildProcess {
    do {
      let (identifier, pipes) = try self.spawning.withLock { _ throws(SystemCallError) in
        let pipes = try Pipes(input: input)
        defer { pipes.closeChildEnds() }
        do throws(SystemCallError) {
          return (try self.posixSpawn(path, arguments, environment, pipes), pipes)
        } catch {
          pipes.closeOwnEnds()
          throw error
        }
      }
      let output = LineReader(descriptor: pipes.outputReader, onLine: onOutput)
      let error = LineReader(descriptor: pipes.errorReader, onLine: onError)
      return ChildProcess(processIdentifier: identifier, readers: [output, error])
    } catch {
      throw ChildProcessError(path: path, code: error.code)
    }
  }

  private init(processIdentifier: pid_t, readers: [LineReader]) {
    self.processIdentifier = processIdentifier
    // waitid(2) blocks for as long as the program runs.
    Thread.detachNewThread {
      let status = self.reap()
      for reader in readers { reader.finish() }
      Task {
        for reader in readers { try? await reader.ended.value }
        self.end.fulfil(status)
      }
    }
  }

  /// Sends a signal, unless the program has ended.
  func kill(_ signal: Int32) {
    // The lock keeps the process identifier from being another program's by now.
    self.isReaped.withLock { isReaped in
      if !isReaped { _ = Glibc.kill(self.processIdentifier, signal) }
    }
  }

  private func reap() -> ExitStatus {
    var information = siginfo_t()
    while waitid(P_PID, id_t(self.processIdentifier), &information, WEXITED | WNOWAIT) == -1, errno == EINTR {
    }
    return self.isReaped.withLock { isReaped in
      isReaped = true
      var status: Int32 = 0
      while waitpid(self.processIdentifier, &status, 0) == -1, errno == EINTR {}
      let signal = status & 0x7f
      return signal == 0 ? .exited((status >> 8) & 0xff) : .killed(signal: signal)
    }
  }

  private static var openDescriptors: [Int32] {
    // Nothing is listed without /proc; then only what is marked close-on-exec is closed.
    let names = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
    return (names ?? []).compactMap { Int32($0) }
  }

  private static func posixSpawn(
    _ path: String, _ arguments: [String], _ environment: [String: String], _ pipes: Pipes
  ) throws(SystemCallError) -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, pipes.inputReader, STDIN_FILENO)
    posix_spawn_file_actions_adddup2(&actions, pipes.outputWriter, STDOUT_FILENO)
    posix_spawn_file_actions_adddup2(&actions, pipes.errorWriter, STDERR_FILENO)
    for descriptor in Self.openDescriptors where descriptor > STDERR_FILENO {
      posix_spawn_file_actions_addclose(&actions, descriptor)
    }

    // A program would inherit the mask of the thread that starts it, and threads of Dispatch block most signals.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))

    var identifier: pid_t = 0
    let code = withCStrings([path] + arguments) { argv in
      withCStrings(environment.map { "\($0.key)=\($0.value)" }) { envp in
        posix_spawn(&identifier, path, &actions, &attributes, argv, envp)
      }
    }
    guard code == 0 else { throw SystemCallError(code: code) }
    return identifier
  }
}

/// Why a program could not be started.
struct ChildProcessError: Error, CustomStringConvertible {
  let path: String
  let code: Int32

  var description: String { "Cannot start '\(self.path)': \(errorText(self.code))." }
}

private struct SystemCallError: Error {
  let code: Int32
}

/// The pipes between this process and a program.
private struct Pipes {
  let inputReader: Int32
  let outputReader: Int32
  let outputWriter: Int32
  let errorReader: Int32
  let errorWriter: Int32

  /// Makes the pipes, with `input` already in the first one.
  init(input: [UInt8]) throws(SystemCallError) {
    var descriptors: [Int32] = []
    do throws(SystemCallError) {
      for _ in 0..<3 { descriptors += try Self.makePipe() }
      try Self.fill(descriptors[1], with: input)
    } catch {
      for descriptor in descriptors { close(descriptor) }
      throw error
    }
    close(descriptors[1])
    _ = fcntl(descriptors[2], F_SETFL, O_NONBLOCK)
    _ = fcntl(descriptors[4], F_SETFL, O_NONBLOCK)
    self.inputReader = descriptors[0]
    self.outputReader = descriptors[2]
    self.outputWriter = descriptors[3]
    self.errorReader = descriptors[4]
    self.errorWriter = descriptors[5]
  }

  func closeChildEnds() { for descriptor in [inputReader, outputWriter, errorWriter] { close(descriptor) } }

  func closeOwnEnds() { for descriptor in [outputReader, errorReader] { close(descriptor) } }

  private static func makePipe() throws(SystemCallError) -> [Int32] {
    var descriptors: [Int32] = [-1, -1]
    guard pipe(&descriptors) == 0 else { throw SystemCallError(code: errno) }
    for descriptor in descriptors { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
    return descriptors
  }

  private static func fill(_ descriptor: Int32, with input: [UInt8]) throws(SystemCallError) {
    guard !input.isEmpty else { return }
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    let written = write(descriptor, input, input.count)
    guard written == input.count else { throw SystemCallError(code: written < 0 ? errno : E2BIG) }
  }
}

/// Calls `body` with the texts as a NULL-terminated array of C strings.
private func withCStrings<R>(
  _ texts: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> R
) -> R {
  var pointers = texts.map { strdup($0) } + [nil]
  defer { for pointer in pointers { free(pointer) } }
  return body(&pointers)
}
