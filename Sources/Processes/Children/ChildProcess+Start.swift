import CLinux
import Dispatch
import Glibc

extension ChildProcess {
  /// The standard descriptors of a child.
  package enum Streams: Sendable {
    /// Pipes for output and error. The input is a descriptor, which stays open in this process, or
    /// `/dev/null` if nil.
    case pipes(input: Int32?)
    /// A terminal by its path, which becomes the controlling one. A copy of its other end, which must be in
    /// non-blocking mode, is read as the output. There is nothing on standard error.
    case terminal(path: String, otherEnd: Int32)
  }

  /// The options of a start.
  package struct Options: Sendable {
    /// `NAME=VALUE`, in any encoding.
    package var environment: [[UInt8]]
    /// The working directory; nil for this process's.
    package var directory: String? = "/"
    /// The standard descriptors.
    package var streams = Streams.pipes(input: nil)
    /// Whether it leads a session, and so a process group, of its own.
    package var leadsSession = true
    /// Whether it gets a descriptor for ``ChildProcess/report``.
    package var reports = false
    /// Whether the termination of the child includes its descendants (``ProcessTree``), and not only its
    /// process group.
    package var terminatesDescendants = false

    /// A session of its own in `/`, with pipes and nothing on its input.
    package init(environment: [[UInt8]]) { self.environment = environment }
  }

  /// This process's ends of a child's pipes.
  struct Readers {
    let output: ReadableDescriptor
    let error: ReadableDescriptor
    let report: ReadableDescriptor?
  }

  // Starting a process blocks, so it must not run on the cooperative pool.
  private static let spawnQueue = DispatchQueue(label: "processes.spawn")

  /// Starts a command. The caller enforces the command's limits.
  ///
  /// - Throws: ``CommandError``.
  package static func start(_ command: Command, _ options: Options) async throws -> ChildProcess {
    try await withCheckedThrowingContinuation { continuation in
      self.spawnQueue.async {
        continuation.resume(with: Result { try self.startNow(command, options) })
      }
    }
  }

  private static func startNow(
    _ command: Command, _ options: Options
  ) throws(CommandError) -> ChildProcess {
    try Executable.check(command)
    var readers: [ReadableDescriptor] = []
    var writingEnds: [Int32] = []
    defer { for end in writingEnds { Glibc.close(end) } }
    func makePipe() throws(CommandError) -> Int32 {
      let pipe = try OutputPipe(for: command)
      readers.append(pipe.readingEnd)
      writingEnds.append(pipe.writingEnd)
      return pipe.writingEnd
    }
    do throws(CommandError) {
      let error = try makePipe()
      let streams: Spawn.Streams
      switch options.streams {
      case .pipes(let input):
        streams = .descriptors(input: input, output: try makePipe(), error: error)
      case .terminal(let path, let otherEnd):
        let own = fcntl(otherEnd, F_DUPFD_CLOEXEC, 0)
        guard own >= 0, let reader = ReadableDescriptor(own, isTerminal: true) else {
          throw self.descriptorError(command, errno)
        }
        readers.append(reader)
        streams = .terminal(path: path)
      }
      let report = options.reports ? try makePipe() : nil
      let processID = try self.spawn(command, options, streams, report: report)
      let pidDescriptor = linux_pidfd_open(processID)
      guard pidDescriptor >= 0, let pidReader = ReadableDescriptor(pidDescriptor) else {
        let error = errno
        kill(options.leadsSession ? -processID : processID, SIGKILL)
        waitpid(processID, nil, 0)
        throw self.descriptorError(command, error)
      }
      return ChildProcess(
        processID, pidReader, options,
        Readers(output: readers[1], error: readers[0], report: options.reports ? readers[2] : nil))
    } catch {
      for reader in readers { reader.close() }
      throw error
    }
  }

  /// A pipe with both ends close-on-exec and a reading end that does not block.
  private struct OutputPipe {
    let readingEnd: ReadableDescriptor
    let writingEnd: Int32

    init(for command: Command) throws(CommandError) {
      var ends: [Int32] = [-1, -1]
      guard pipe(&ends) == 0 else { throw ChildProcess.descriptorError(command, errno) }
      for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
      _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
      // A larger pipe means fewer and larger reads. If the kernel refuses it, the default size is enough.
      _ = fcntl(ends[0], F_SETPIPE_SZ, Int32(ReadableDescriptor.chunkSize))
      guard let readingEnd = ReadableDescriptor(ends[0]) else {
        let error = errno
        Glibc.close(ends[1])
        throw ChildProcess.descriptorError(command, error)
      }
      self.readingEnd = readingEnd
      self.writingEnd = ends[1]
    }
  }

  private static func spawn(
    _ command: Command, _ options: Options, _ streams: Spawn.Streams, report: Int32?
  ) throws(CommandError) -> pid_t {
    let program = Spawn(
      path: command.executable, arguments: command.arguments, environment: options.environment,
      directory: options.directory, streams: streams, leadsSession: options.leadsSession, report: report)
    do {
      return try program.start()
    } catch {
      throw .spawnFailed(command, reason: String(cString: strerror(error.code)))
    }
  }

  private static func descriptorError(_ command: Command, _ error: Int32) -> CommandError {
    let hint = error == EMFILE || error == ENFILE ? "; raise the limit on open files (LimitNOFILE=)" : ""
    return .spawnFailed(command, reason: String(cString: strerror(error)) + hint)
  }
}
