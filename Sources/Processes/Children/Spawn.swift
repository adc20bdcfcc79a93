import CLinux
import Glibc

/// A program to start by `posix_spawn(3)`.
///
/// It gets its standard descriptors, a fourth one if there is a ``report``, and no others. All signals have
/// their default actions, and none is blocked; otherwise it would inherit the signal mask of the thread that
/// starts it.
package struct Spawn: Sendable {
  /// The program's standard input, output and error.
  package enum Streams: Sendable {
    /// Descriptors of this process, which stay open in it. If the input is nil, it is `/dev/null`.
    case descriptors(input: Int32?, output: Int32, error: Int32)
    /// A terminal by its path. If the program leads a session, it is the controlling terminal.
    case terminal(path: String)
  }

  /// The program's absolute path.
  package var path: String

  /// The arguments after the program's name, without NUL characters.
  package var arguments: [String]

  /// The environment: `NAME=VALUE`, in any encoding, without NUL bytes.
  package var environment: [[UInt8]]

  /// The working directory; nil for this process's.
  package var directory: String?

  /// The standard descriptors.
  package var streams: Streams

  /// Whether the program leads a session, and so a process group, of its own.
  package var leadsSession: Bool

  /// A descriptor of this process that the program gets as its ``reportDescriptor``.
  package var report: Int32?

  /// The number of the ``report`` descriptor in the program: the one after the standard ones.
  package static let reportDescriptor: Int32 = STDERR_FILENO + 1

  /// Describes a program to start.
  package init(
    path: String, arguments: [String], environment: [[UInt8]], directory: String? = nil, streams: Streams,
    leadsSession: Bool, report: Int32? = nil
  ) {
    self.path = path
    self.arguments = arguments
    self.environment = environment
    self.directory = directory
    self.streams = streams
    self.leadsSession = leadsSession
    self.report = report
  }

  /// Starts the program. It blocks until the program runs or has failed to start.
  ///
  /// - Returns: its process ID; the caller has to wait for it.
  /// - Throws: ``SpawnError``.
  package func start() throws(SpawnError) -> Int32 {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    switch self.streams {
    case .descriptors(let input, let output, let error):
      if let input {
        posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)
      } else {
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
      }
      posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
      posix_spawn_file_actions_adddup2(&actions, error, STDERR_FILENO)
    case .terminal(let path):
      // The first terminal that the leader of a session opens becomes its controlling one (tty_ioctl(4)).
      posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, path, O_RDWR, 0)
      posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO)
      posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDERR_FILENO)
    }
    if let report = self.report { posix_spawn_file_actions_adddup2(&actions, report, Self.reportDescriptor) }
    posix_spawn_file_actions_addclosefrom_np(
      &actions, Self.reportDescriptor + (self.report == nil ? 0 : 1))
    if let directory = self.directory { posix_spawn_file_actions_addchdir_np(&actions, directory) }

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    let flags =
      POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | (self.leadsSession ? POSIX_SPAWN_SETSID : 0)
    posix_spawnattr_setflags(&attributes, Int16(flags))

    var identifier: pid_t = 0
    let words = ([self.path] + self.arguments).map { Array($0.utf8) }
    let code = Self.withCStrings(words) { argv in
      Self.withCStrings(self.environment) { envp in
        posix_spawn(&identifier, self.path, &actions, &attributes, argv, envp)
      }
    }
    guard code == 0 else { throw SpawnError(code: code) }
    return identifier
  }

  /// Calls `body` with the texts as a NULL-terminated array of C strings.
  private static func withCStrings<Result>(
    _ texts: [[UInt8]], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
  ) -> Result {
    let bytes = UnsafeMutablePointer<CChar>.allocate(capacity: texts.reduce(1) { $0 + $1.count + 1 })
    defer { bytes.deallocate() }
    var pointers: [UnsafeMutablePointer<CChar>?] = []
    var end = bytes
    for text in texts {
      pointers.append(end)
      for byte in text {
        end.initialize(to: CChar(bitPattern: byte))
        end += 1
      }
      end.initialize(to: 0)
      end += 1
    }
    pointers.append(nil)
    return body(&pointers)
  }
}
