import Glibc
import Systemd

/// A new file that a transcript is written to, readable by nobody else. It is closed with this object.
final class TranscriptFile: Sendable {
  private let descriptor: Int32

  /// Makes a file, which must not be there yet.
  ///
  /// - Parameter directory: the descriptor of the directory that a relative path begins in.
  /// - Throws: the error number (errno(3)).
  init(_ path: String, in directory: Int32 = AT_FDCWD) throws(ErrorNumber) {
    let flags = O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC
    self.descriptor = openat(directory, path, flags, 0o600)
    if self.descriptor < 0 { throw ErrorNumber(errno) }
  }

  deinit { close(self.descriptor) }

  /// Appends bytes: all, or on failure none as far as that is possible.
  func append(_ bytes: [UInt8]) throws(ErrorNumber) {
    let end = lseek(self.descriptor, 0, SEEK_END)
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBytes {
        write(self.descriptor, $0.baseAddress.map { $0 + written }, $0.count - written)
      }
      if count < 0 {
        let error = errno
        if error == EINTR { continue }
        if written > 0 { _ = ftruncate(self.descriptor, end) }
        throw ErrorNumber(error)
      }
      written += count
    }
  }
}

/// The directory that the files of recordings are in, the plugin's own.
final class TranscriptDirectory: Sendable {
  private let descriptor: Int32

  private static let prefix = "transcript-"
  private static let suffix = ".jsonl"

  /// Opens the directory, or makes it with the mode 0700.
  ///
  /// - Throws: ``TranscriptError`` if it cannot be had, or others may put files into it.
  init(_ path: String) throws(TranscriptError) {
    _ = mkdir(path, 0o700)
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw TranscriptError(
        "Cannot record to the directory '\(path)': \(ErrorNumber(errno)). Make it with: mkdir -p -m 0700 '\(path)'"
      )
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_uid == geteuid(), status.st_mode & 0o022 == 0 else {
      close(descriptor)
      throw TranscriptError(
        "Cannot record to the directory '\(path)': it must be the plugin's own and writable by nobody else (chmod 0700)."
      )
    }
    self.descriptor = descriptor
  }

  deinit { close(self.descriptor) }

  /// The name of a file: those of all recordings are in the order of their beginnings.
  static func name(_ header: TranscriptHeader) -> String {
    let part = String(header.part)
    return self.prefix + "\(header.realtime.microseconds)-\(header.recording.prefix(8))-"
      + String(repeating: "0", count: max(0, 6 - part.count)) + part + self.suffix
  }

  func makeFile(_ name: String) throws(ErrorNumber) -> TranscriptFile {
    try TranscriptFile(name, in: self.descriptor)
  }

  /// Removes the oldest files until the others take no more than `size` bytes.
  func shrink(to size: Int) {
    let copy = openat(self.descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard let directory = fdopendir(copy) else {
      close(copy)
      return
    }
    defer { closedir(directory) }
    var files: [(name: String, size: Int)] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      var status = stat()
      guard name.hasPrefix(Self.prefix), name.hasSuffix(Self.suffix),
        fstatat(self.descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0, status.st_mode & S_IFMT == S_IFREG
      else { continue }
      files.append((name, Int(status.st_size)))
    }
    var total = files.reduce(0) { $0 + $1.size }
    for file in files.sorted(by: { $0.name < $1.name }) where total > size {
      unlinkat(self.descriptor, file.name, 0)
      total -= file.size
    }
  }
}

/// An error number (errno(3)) as an error.
struct ErrorNumber: Error, CustomStringConvertible {
  let number: Int32

  init(_ number: Int32) { self.number = number }

  var description: String { String(cString: strerror(self.number)) }
}
