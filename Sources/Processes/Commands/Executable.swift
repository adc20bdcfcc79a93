import CLinux
public import Foundation
import Glibc

/// Finds programs and tells whether they can be run.
public enum Executable {
  /// Where programs are where no `PATH` says so; systemd's default (systemd.exec(5)).
  package static let defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

  /// The absolute path of a program.
  ///
  /// - Parameters:
  ///   - name: a file name; a name with a slash is returned as it is.
  ///   - path: directories separated by colons, as in `PATH`; relative ones are skipped.
  /// - Returns: the first file of that name that may be executed in `path`, `/usr/bin` or `/bin`; if there
  ///   is none, the path in `/usr/bin`, so that an error can name it.
  public static func find(
    _ name: String, path: @autoclosure () -> String = ProcessInfo.processInfo.environment["PATH"] ?? ""
  ) -> String {
    if name.contains("/") { return name }
    let directories = path().split(separator: ":").filter { $0.hasPrefix("/") } + ["/usr/bin", "/bin"]
    return directories.lazy.map { "\($0)/\(name)" }.first { self.problem(with: $0) == nil }
      ?? "/usr/bin/\(name)"
  }

  /// Checks whether a command can be started, as far as that is known before, for an error that explains more
  /// than a number.
  static func check(_ command: Command) throws(CommandError) {
    if let problem = self.problem(with: command.executable) ?? self.formatProblem(with: command.executable) {
      throw .notExecutable(command, reason: problem)
    }
    if command.arguments.contains(where: { $0.utf8.contains(0) }) {
      throw .spawnFailed(command, reason: "an argument contains a NUL character")
    }
  }

  private static func problem(with path: String) -> String? {
    guard path.hasPrefix("/"), !path.utf8.contains(0) else { return "not an absolute path" }
    var status = stat()
    guard stat(path, &status) == 0 else { return String(cString: strerror(errno)) }
    guard status.st_mode & S_IFMT == S_IFREG else { return "not a regular file" }
    return access(path, X_OK) == 0 ? nil : "not executable (\(String(cString: strerror(errno))))"
  }

  /// Why the kernel would refuse to execute the file: see `execve(2)` on ENOEXEC and on interpreters.
  private static func formatProblem(with path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    // A program may be executable and not readable.
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var start = [UInt8](repeating: 0, count: 256)
    let count = max(read(descriptor, &start, start.count), 0)
    if start.starts(with: [0x7f, UInt8(ascii: "E"), UInt8(ascii: "L"), UInt8(ascii: "F")]) { return nil }
    guard start.starts(with: "#!".utf8) else {
      return "neither an ELF file nor a script that names its interpreter"
    }
    let line = start[2..<max(count, 2)].prefix { $0 != UInt8(ascii: "\n") }
    let words = line.split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
    guard let interpreter = words.first.map({ String(decoding: $0, as: UTF8.self) }) else {
      return "a script that names no interpreter"
    }
    return self.problem(with: interpreter).map { "its interpreter \(interpreter): \($0)" }
  }
}
