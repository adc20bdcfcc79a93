import CLinux
import ControlGroups
import Glibc
import Processes

/// A process of a unit whose context ``ExecHelper`` enters.
///
/// It is identified by its open directory in /proc. When its number is used again, reads in that directory
/// fail (proc(5)).
struct ExecProcess: ~Copyable {
  private let processID: Int32
  private let controlGroup: String
  private let unitUserID: UInt32?
  private let directory: Int32

  /// The namespaces in the order in which they are entered. In a user namespace this process loses the right
  /// to enter others, so that comes last.
  private static let namespaces: [(name: String, type: Int32)] = [
    ("cgroup", CLONE_NEWCGROUP), ("ipc", CLONE_NEWIPC), ("uts", CLONE_NEWUTS), ("net", CLONE_NEWNET),
    ("pid", CLONE_NEWPID), ("time", CLONE_NEWTIME), ("mnt", CLONE_NEWNS), ("user", CLONE_NEWUSER),
  ]

  /// Opens a process.
  ///
  /// - Parameters:
  ///   - controlGroup: the unit's control group.
  ///   - userID: the unit's user, if systemd shows one.
  /// - Throws: ``ExecError`` if there is no such process in the control group.
  init(_ processID: Int32, in controlGroup: String, of userID: UInt32?) throws(ExecError) {
    self.processID = processID
    self.controlGroup = controlGroup
    self.unitUserID = userID
    self.directory = Glibc.open("/proc/\(processID)", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard self.directory >= 0 else {
      throw ExecError("the main process \(processID) is gone", code: 0)
    }
    guard ControlGroupMembership(try self.read("cgroup")).isInside(controlGroup) else {
      throw ExecError(
        "the main process \(processID) is not in the unit's control group \(controlGroup)", code: 0)
    }
  }

  deinit { close(self.directory) }

  private func read(_ name: String) throws(ExecError) -> [UInt8] {
    guard let bytes = Linux.contents(of: name, in: self.directory) else {
      throw ExecError("cannot read \(name) of the main process \(self.processID)")
    }
    return bytes
  }

  private func open(_ name: String, _ flags: Int32) throws(ExecError) -> Int32 {
    let descriptor = openat(self.directory, name, flags | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw ExecError("cannot open \(name) of the main process \(self.processID)")
    }
    return descriptor
  }

  /// Enters the process's context.
  ///
  /// - Parameter environment: gets the process's variables.
  func enter(_ environment: inout ExecEnvironment) throws(ExecError) {
    try self.waitForProgram()
    guard let status = ProcessCredentials(status: try self.read("status")) else {
      throw ExecError("cannot read the user of the main process \(self.processID)", code: 0)
    }
    try self.checkUser(status)
    environment.add(environ: try self.read("environ"))
    let limits = try self.limits()
    let outOfMemoryScore = String(decoding: try self.read("oom_score_adj"), as: UTF8.self)
    var entered: [(name: String, type: Int32, descriptor: Int32)] = []
    for (name, type) in Self.namespaces where self.differs(name) {
      entered.append((name, type, try self.open("ns/\(name)", O_RDONLY)))
    }
    let root = try self.open("root", O_PATH | O_DIRECTORY)
    let workingDirectory = try self.open("cwd", O_PATH | O_DIRECTORY)
    let hasUserNamespace = entered.contains { $0.name == "user" }
    let hasProcessNamespace = entered.contains { $0.name == "pid" }
    // In the process's user namespace the user has another number.
    let userID = hasUserNamespace ? try self.inner(status.userID, "uid_map") : status.userID

    let membership = ControlGroupMembership(try self.read("cgroup"))
    let hasJoined: Bool
    do {
      hasJoined = try membership.join(within: self.controlGroup)
    } catch {
      throw ExecError(error)
    }
    guard hasJoined else {
      throw ExecError("cannot find the control group of the main process \(self.processID)", code: 0)
    }
    Self.setOutOfMemoryScore(outOfMemoryScore)
    for (resource, limit) in limits.enumerated() {
      var limit = limit
      setrlimit(__rlimit_resource_t(UInt32(resource)), &limit)
    }
    // So that the program can open its terminal again by name.
    if isatty(STDIN_FILENO) == 1 { fchown(STDIN_FILENO, status.userID, gid_t.max) }
    // Before the namespaces are entered: in a user namespace setgroups may be forbidden, and the numbers
    // differ.
    guard setgroups(status.groups.count, status.groups) == 0, setgid(status.groupID) == 0 else {
      throw ExecError("cannot become a member of the main process's groups")
    }
    for namespace in entered where namespace.name != "user" {
      guard setns(namespace.descriptor, namespace.type) == 0 else {
        throw ExecError("cannot enter the \(namespace.name) namespace of the main process")
      }
    }
    guard fchdir(root) == 0, chroot(".") == 0, fchdir(workingDirectory) == 0 else {
      throw ExecError("cannot enter the root and working directory of the main process")
    }
    if let namespace = entered.last, hasUserNamespace {
      guard setns(namespace.descriptor, namespace.type) == 0 else {
        throw ExecError("cannot enter the user namespace of the main process")
      }
    }
    for capability in 0..<64 where status.boundingSet & (1 << capability) == 0 {
      // Fewer exist; the others fail, which does not matter.
      _ = linux_prctl(PR_CAPBSET_DROP, UInt(capability))
    }
    if hasProcessNamespace { try self.fork() }
    guard setuid(userID) == 0 else {
      throw ExecError("cannot become the main process's user \(userID)")
    }
    if hasProcessNamespace { _ = linux_prctl(PR_SET_PDEATHSIG, UInt(SIGKILL)) }
    umask(status.mask)
    if status.hasNoNewPrivileges { _ = linux_prctl(PR_SET_NO_NEW_PRIVS, 1) }
  }

  /// Checks that the process runs as the unit's user.
  ///
  /// A set-user-ID program can have become root for a moment, and anybody in the unit may be able to start
  /// it, with an environment of their own.
  private func checkUser(_ credentials: ProcessCredentials) throws(ExecError) {
    var program = stat()
    let isSetUserID =
      fstatat(self.directory, "exe", &program, 0) == 0 && program.st_mode & (S_ISUID | S_ISGID) != 0
    // A process of root may become any user.
    let isAnother = self.unitUserID.map { $0 != 0 && $0 != credentials.userID } ?? false
    guard !isSetUserID, !isAnother else {
      throw ExecError(
        "the main process \(self.processID) runs a program that changes its user (now \(credentials.userID)"
          + "\(self.unitUserID.map { ", the unit's is \($0)" } ?? ""))", code: 0)
    }
  }

  /// Waits until the process runs the unit's program. Before that it is systemd's own, which has yet to give
  /// up root's rights and to enter the unit's namespaces.
  private func waitForProgram() throws(ExecError) {
    for _ in 0..<Self.pollLimit {
      guard self.isBeingSetUp else { return }
      usleep(Self.pollInterval)
    }
    throw ExecError(
      "systemd has not yet started the program of the main process \(self.processID)", code: 0)
  }

  /// How often the process is polled, and the interval in microseconds: 10 s in all.
  private static let pollLimit = 2000
  private static let pollInterval: useconds_t = 5000

  /// Whether the process is systemd's and has yet to execute the unit's program. It is a child of the
  /// manager, first under the manager's name and then under the program's in parentheses, or systemd's
  /// executor (since systemd 255).
  private var isBeingSetUp: Bool {
    var program = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlinkat(self.directory, "exe", &program, program.count)
    let path = String(decoding: program.prefix(max(count, 0)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    // The file may have been replaced since.
    if path.hasSuffix("/systemd-executor") || path.hasSuffix("/systemd-executor (deleted)") { return true }
    var own = stat()
    var manager = stat()
    guard fstatat(self.directory, "exe", &own, 0) == 0, stat("/proc/1/exe", &manager) == 0,
      own.st_dev == manager.st_dev, own.st_ino == manager.st_ino
    else { return false }
    return Linux.contents(of: "comm", in: self.directory)?.first == UInt8(ascii: "(")
      || Linux.contents(of: "cmdline", in: self.directory) == Linux.contents(of: "/proc/1/cmdline")
  }

  /// Whether a namespace of the process differs from this process's. A kernel may lack it.
  private func differs(_ name: String) -> Bool {
    var own = [CChar](repeating: 0, count: 64)
    var other = own
    guard readlink("/proc/self/ns/\(name)", &own, own.count - 1) > 0,
      readlinkat(self.directory, "ns/\(name)", &other, other.count - 1) > 0
    else { return false }
    return own != other
  }

  /// The number that a user of the host has in the process's user namespace (user_namespaces(7)).
  private func inner(_ id: UInt32, _ map: String) throws(ExecError) -> UInt32 {
    for line in String(decoding: try self.read(map), as: UTF8.self).split(separator: "\n") {
      let numbers = line.split(separator: " ").compactMap { UInt32($0) }
      guard numbers.count == 3, id >= numbers[1], id - numbers[1] < numbers[2] else { continue }
      return numbers[0] + (id - numbers[1])
    }
    throw ExecError("the main process's user \(id) has no number in its user namespace", code: 0)
  }

  /// The resource limits in the order of their numbers. After a header there is a line for each, with the
  /// name in 25 characters and the values in columns of 20.
  private func limits() throws(ExecError) -> [rlimit] {
    let lines = String(decoding: try self.read("limits"), as: UTF8.self).split(separator: "\n").dropFirst()
    return lines.map { line in
      let values = line.dropFirst(26).split(separator: " ").prefix(2).map { rlim_t($0) ?? rlim_t.max }
      return rlimit(rlim_cur: values.first ?? .max, rlim_max: values.last ?? .max)
    }
  }

  /// Sets this process's `oom_score_adj`: without it the process would have the agent's, which is often the
  /// lowest.
  static func setOutOfMemoryScore(_ score: String) {
    let descriptor = Glibc.open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    _ = write(descriptor, score, strlen(score))
    close(descriptor)
  }

  /// Goes on in a child, as only children are in the PID namespace that was entered. This process waits for
  /// the child and ends in the same way.
  private func fork() throws(ExecError) {
    // In a user namespace the child could not take the terminal from another session (tty_ioctl(4)).
    let handler = signal(SIGHUP, SIG_IGN)
    let hasTerminal = isatty(STDIN_FILENO) == 1
    if hasTerminal { _ = ioctl(STDIN_FILENO, UInt(TIOCNOTTY)) }
    let child = linux_fork()
    guard child >= 0 else {
      throw ExecError("cannot start a process in the main process's namespace")
    }
    if child == 0 {
      // So that it gets its terminal's signals, and its session has a number in the namespace.
      setsid()
      if hasTerminal { _ = ioctl(STDIN_FILENO, UInt(TIOCSCTTY), 0) }
      signal(SIGHUP, handler)
      return
    }
    // These signals are for the child. It is killed when this process is.
    for number in [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU] { signal(number, SIG_IGN) }
    // The pipes must end with the child, and the terminal is the child's.
    for descriptor in 0..<Int32(64) { close(descriptor) }
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0, errno == EINTR {}
    let number = status & 0x7f
    if number != 0 {
      var none = rlimit(rlim_cur: 0, rlim_max: 0)
      setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
      signal(number, SIG_DFL)
      kill(getpid(), number)
    }
    _exit(number == 0 ? (status >> 8) & 0xff : 128 + number)
  }
}
