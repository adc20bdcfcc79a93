import CLinux
import ControlGroups
import Glibc
package import Processes

/// This program as a helper that enters a unit's context and executes a command there.
///
/// It does what `nsenter(1)` and `setpriv(1)` do. They cannot be used: nsenter would start, as root and on
/// the host, with an environment that the unit's process has made (`LD_PRELOAD`), or would get that in
/// arguments that everybody can read; setpriv would have to be in the unit's own root, and would be run as
/// root from there.
///
/// The helper has one thread. It joins the unit's control group before it changes anything else of itself. It
/// gets the ``ExecContext`` and the command as arguments. It gets variables for the command in its own
/// environment, with ``environmentPrefix`` before their names, so that they do not affect the helper itself.
/// If it cannot run the command, it writes the reason to its report descriptor. A program that cannot be
/// executed is the command's own failure: the reason goes to standard error, and the exit status is 127 if
/// the program is not found, else 126 (POSIX, the shell command language).
package enum ExecHelper {
  /// The first argument that makes this program the helper.
  package static let subcommand = ".exec"

  /// The text before the names of variables for the command.
  static let environmentPrefix = "+"

  /// The TERM of a command at a terminal, if it has none.
  private static let defaultTerminal = "xterm"

  /// The helper's command line and environment.
  ///
  /// - Parameters:
  ///   - program: this program.
  ///   - words: the command, at least one word.
  ///   - variables: variables for the command; those of the context come first. Those that an environment
  ///     cannot contain are left out.
  package static func command(
    program: String, _ words: [String], in context: ExecContext, variables: [String: String]
  ) -> (command: Command, environment: [[UInt8]]) {
    let environment = variables.filter { variable in
      !variable.key.isEmpty && !variable.key.utf8.contains(UInt8(ascii: "="))
        && !variable.key.utf8.contains(0) && !variable.value.utf8.contains(0)
    }
    return (
      Command(executable: program, arguments: [self.subcommand] + context.arguments + words),
      environment.map { Array("\(self.environmentPrefix)\($0.key)=\($0.value)".utf8) }
    )
  }

  /// Runs a command if this program was started as the helper; else it does nothing.
  ///
  /// It must be called before anything else, while the process has one thread.
  package static func runIfAsked() {
    guard CommandLine.arguments.dropFirst().first == self.subcommand else { return }
    // Nothing with references is in a function that never returns: in a release build of Swift 6.2.3 such a function
    // releases them before they are used.
    _exit(self.run())
  }

  /// Enters the context and executes the command in place of this program.
  ///
  /// - Returns: the exit status if that is not possible.
  private static func run() -> Int32 {
    do throws(ExecError) {
      // The unit's processes must not reach this program's memory and file through /proc (as in
      // CVE-2019-5736).
      _ = linux_prctl(PR_SET_DUMPABLE, 0)
      _ = fcntl(Spawn.reportDescriptor, F_SETFD, FD_CLOEXEC)
      var arguments = CommandLine.arguments.dropFirst(2)
      guard let context = ExecContext(arguments: &arguments), !arguments.isEmpty else {
        throw ExecError("this is how the plugin runs commands in units; it has no other use", code: 0)
      }
      var environment = ExecEnvironment()
      switch context {
      case .process(let processID, let controlGroup, let userID):
        try ExecProcess(processID, in: controlGroup, of: userID).enter(&environment)
      case .host(let host):
        try self.enter(host, &environment)
      }
      for variable in self.givenVariables { environment.add(variable) }
      environment.add("PATH", Executable.defaultPath)
      if isatty(STDIN_FILENO) == 1 { environment.add("TERM", self.defaultTerminal) }
      return self.exec(Array(arguments), environment)
    } catch {
      let text = Array(error.text.utf8)
      if write(Spawn.reportDescriptor, text, text.count) < 0 { _ = write(STDERR_FILENO, text, text.count) }
      return 126
    }
  }

  private static var givenVariables: [ArraySlice<UInt8>] {
    var variables: [ArraySlice<UInt8>] = []
    var next = linux_environ()
    while let entry = next?.pointee {
      let bytes = UnsafeBufferPointer(start: entry, count: strlen(entry)).map { UInt8(bitPattern: $0) }
      if bytes.starts(with: self.environmentPrefix.utf8) {
        variables.append(bytes.dropFirst(self.environmentPrefix.utf8.count))
      }
      next = next?.successor()
    }
    return variables
  }

  /// Executes the command in place of this program.
  ///
  /// - Returns: the exit status if the program cannot be executed.
  private static func exec(_ words: [String], _ environment: ExecEnvironment) -> Int32 {
    let program = words[0]
    let directories =
      environment["PATH"]?.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false) ?? []
    let paths =
      program.contains("/")
      ? [Array(program.utf8)]
      // An empty directory is the working directory (environ(7)).
      : directories.map { ($0.isEmpty ? Array(".".utf8) : Array($0)) + Array("/\(program)".utf8) }
    let arguments: [UnsafeMutablePointer<CChar>?] = words.map { self.cString($0.utf8) } + [nil]
    let variables: [UnsafeMutablePointer<CChar>?] = environment.entries.map { self.cString($0) } + [nil]
    // As in execvp(3): after a program that may not be executed others are tried, and its error is kept.
    var code = ENOENT
    for path in paths {
      execve(self.cString(path), arguments, variables)
      if errno == EACCES { code = EACCES }
      guard errno == ENOENT || errno == ENOTDIR || errno == EACCES else {
        code = errno
        break
      }
    }
    let text = Array("cannot execute '\(program)': \(String(cString: strerror(code)))\n".utf8)
    _ = write(STDERR_FILENO, text, text.count)
    return code == ENOENT ? 127 : 126
  }

  /// A copy that lasts as long as the process.
  private static func cString(_ bytes: some Collection<UInt8>) -> UnsafeMutablePointer<CChar> {
    let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count + 1)
    for (index, byte) in bytes.enumerated() { copy[index] = CChar(bitPattern: byte) }
    copy[bytes.count] = 0
    return copy
  }

  // MARK: The host's context

  private static func enter(
    _ host: ExecContext.HostContext, _ environment: inout ExecEnvironment
  ) throws(ExecError) {
    if let group = host.controlGroup, group != "/" {
      do {
        _ = try ControlGroupMembership(controlGroup: group).join(within: group)
      } catch {
        throw ExecError(error)
      }
    }
    ExecProcess.setOutOfMemoryScore("0")
    var user = ExecUser(name: host.user ?? "0")
    if let userID = host.userID { user.userID = userID }
    guard let userID = user.userID else { throw ExecError("there is no user '\(host.user ?? "")'", code: 0) }
    var groupID = host.groupID ?? user.groupID ?? userID
    if let group = host.group {
      guard let id = host.groupID ?? ExecUser.groupID(group) else {
        throw ExecError("there is no group '\(group)'", code: 0)
      }
      groupID = id
    }
    var groups = user.groups(with: groupID)
    for group in host.supplementaryGroups {
      guard let id = ExecUser.groupID(group) else { throw ExecError("there is no group '\(group)'", code: 0) }
      groups.append(id)
    }
    if isatty(STDIN_FILENO) == 1 { fchown(STDIN_FILENO, userID, gid_t.max) }
    guard setgroups(groups.count, groups) == 0, setgid(groupID) == 0, setuid(userID) == 0 else {
      throw ExecError("cannot become the user \(userID) with the group \(groupID)")
    }
    let directory = host.directory == "~" ? user.home : host.directory
    guard chdir(directory) == 0 || (host.isDirectoryOptional && chdir("/") == 0) else {
      throw ExecError("cannot enter the working directory \(directory)")
    }
    environment.add("HOME", user.home)
    environment.add("LOGNAME", user.name)
    environment.add("USER", user.name)
    environment.add("SHELL", user.shell)
  }
}
