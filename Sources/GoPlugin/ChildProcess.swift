internal import Foundation
internal import Promises
internal import Spawning
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
    do throws(SpawnError) {
      let pipes = try Pipes(input: input)
      defer { pipes.closeChildEnds() }
      let program = Spawn(
        path: path, arguments: arguments,
        environment: environment.map { Array("\($0.key)=\($0.value)".utf8) },
        streams: .descriptors(
          input: pipes.inputReader, output: pipes.outputWriter, error: pipes.errorWriter),
        leadsSession: false)
      let identifier: pid_t
      do throws(SpawnError) {
        identifier = try program.start()
      } catch {
        pipes.closeOwnEnds()
        throw error
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
}

/// Why a program could not be started.
struct ChildProcessError: Error, CustomStringConvertible {
  let path: String
  let code: Int32

  var description: String { "Cannot start '\(self.path)': \(errorText(self.code))." }
}

/// The pipes between this process and a program.
private struct Pipes {
  let inputReader: Int32
  let outputReader: Int32
  let outputWriter: Int32
  let errorReader: Int32
  let errorWriter: Int32

  /// Makes the pipes, with `input` already in the first one.
  init(input: [UInt8]) throws(SpawnError) {
    var descriptors: [Int32] = []
    do throws(SpawnError) {
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

  private static func makePipe() throws(SpawnError) -> [Int32] {
    var descriptors: [Int32] = [-1, -1]
    guard pipe(&descriptors) == 0 else { throw SpawnError(code: errno) }
    for descriptor in descriptors { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
    return descriptors
  }

  private static func fill(_ descriptor: Int32, with input: [UInt8]) throws(SpawnError) {
    guard !input.isEmpty else { return }
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    let written = write(descriptor, input, input.count)
    guard written == input.count else { throw SpawnError(code: written < 0 ? errno : E2BIG) }
  }
}
