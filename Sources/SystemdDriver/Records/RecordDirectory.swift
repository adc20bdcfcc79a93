import CLinux
import Glibc

/// The directory with the tasks' records, `tasks` in one that is the plugin's: made when it is needed, and used only if
/// nobody else can write to it.
struct RecordDirectory: Sendable {
  /// Why something of the directory cannot be used.
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// The plugin's directory.
  let path: String

  /// The most that is read of a file, or written to one, in bytes.
  static let maximumSize = 64 << 10

  private static let name = "tasks"

  /// Opens the directory for as long as `body` runs.
  ///
  /// - Parameter makes: whether to make it if it is missing.
  /// - Throws: ``Failure``, or what `body` throws.
  func open<R>(making makes: Bool, _ body: (_ directory: Int32) throws -> R) throws -> R {
    // Where it is may have links.
    let parent = Glibc.open(Self.parent(of: self.path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    defer { close(parent) }
    // Others may have a look at what more the plugin has there, not at the tasks.
    let own = try self.open(
      Self.lastComponent(of: self.path), in: parent, makes ? 0o711 : nil, forbidden: 0o022)
    defer { close(own) }
    let tasks = try self.open(Self.name, in: own, makes ? 0o700 : nil, forbidden: 0o077)
    defer { close(tasks) }
    return try body(tasks)
  }

  private func open(
    _ name: String, in parent: Int32, _ mode: mode_t?, forbidden: mode_t
  ) throws -> Int32 {
    let isNew = mode.map { mkdirat(parent, name, $0) == 0 } ?? false
    let descriptor = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard descriptor >= 0 else { throw Self.failure("Cannot open '\(name)' of '\(self.path)'") }
    // The umask may have taken something away.
    if isNew, let mode { fchmod(descriptor, mode) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_uid == geteuid(), status.st_mode & forbidden == 0 else {
      close(descriptor)
      throw Failure(
        description: "'\(name)' of '\(self.path)' is not the plugin's own, or others can write to it")
    }
    return descriptor
  }

  /// Opens a file that is the plugin's own, and follows no link.
  ///
  /// - Returns: nil if there is no such file and none is to be made.
  /// - Throws: ``Failure``.
  static func openFile(_ name: String, _ flags: Int32, in directory: Int32) throws -> Int32? {
    let descriptor = openat(directory, name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      if errno == ENOENT, flags & O_CREAT == 0 { return nil }
      throw self.failure("Cannot open '\(name)'")
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & (S_IFMT | 0o077) == S_IFREG,
      status.st_uid == geteuid(), status.st_nlink <= 1, status.st_size <= Self.maximumSize
    else {
      close(descriptor)
      throw Failure(description: "'\(name)' is not a small file of the plugin's own")
    }
    return descriptor
  }

  /// All of a file; nil if there is none.
  ///
  /// - Throws: ``Failure``.
  static func read(_ name: String, in directory: Int32) throws -> [UInt8]? {
    guard let descriptor = try self.openFile(name, O_RDONLY, in: directory) else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: self.maximumSize)
    let count = pread(descriptor, &bytes, bytes.count, 0)
    guard count >= 0 else { throw self.failure("Cannot read '\(name)'") }
    return Array(bytes.prefix(count))
  }

  /// Replaces a file by one with other content, which is seen whole or not at all.
  ///
  /// - Throws: ``Failure``.
  static func replace(_ name: String, by bytes: [UInt8], in directory: Int32) throws {
    guard bytes.count <= self.maximumSize else { throw Failure(description: "'\(name)' would be too large") }
    let new = name + ".new"
    unlinkat(directory, new, 0)
    guard let descriptor = try self.openFile(new, O_WRONLY | O_CREAT | O_EXCL, in: directory) else { return }
    defer { close(descriptor) }
    let count = write(descriptor, bytes, bytes.count)
    guard count == bytes.count else {
      if count >= 0 { errno = ENOSPC }
      let failure = self.failure("Cannot write '\(name)'")
      unlinkat(directory, new, 0)
      throw failure
    }
    guard renameat(directory, new, directory, name) == 0 else { throw self.failure("Cannot write '\(name)'") }
  }

  /// The names of all files.
  static func names(in directory: Int32) -> [String] {
    // The stream closes its descriptor, and moves the position of all that were copied from one.
    guard let stream = fdopendir(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) else {
      return []
    }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      names.append(name)
    }
    return names
  }

  private static func failure(_ attempt: String) -> Failure {
    Failure(description: "\(attempt): \(String(cString: strerror(errno)))")
  }

  private static func parent(of path: String) -> String {
    let parts = path.utf8.split(separator: UInt8(ascii: "/")).dropLast().map { String(Substring($0)) }
    return "/" + parts.joined(separator: "/")
  }

  private static func lastComponent(of path: String) -> String {
    path.utf8.split(separator: UInt8(ascii: "/")).last.map { String(Substring($0)) } ?? ""
  }
}
