import Glibc
import Systemd

/// The directory of transcript files, which belongs to the plugin's user.
final class TranscriptDirectory: Sendable {
  private let descriptor: Int32

  private static let prefix = "transcript-"
  private static let suffix = ".jsonl"

  /// Opens the directory, or creates it with mode 0700.
  ///
  /// - Throws: ``TranscriptError`` if it cannot be opened, or if others own it or may write to it.
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
        "Cannot record to the directory '\(path)': it must belong to the plugin's user and be writable by nobody else (chmod 0700)."
      )
    }
    self.descriptor = descriptor
  }

  deinit { close(self.descriptor) }

  /// The name of a file. In the order of their names, the files of all recordings are in the order of their
  /// start.
  static func name(_ header: TranscriptHeader) -> String {
    let part = String(header.part)
    return self.prefix + "\(header.realtime.microseconds)-\(header.recording.prefix(8))-"
      + String(repeating: "0", count: max(0, 6 - part.count)) + part + self.suffix
  }

  /// Creates a file in the directory.
  func makeFile(_ name: String) throws(ErrorNumber) -> TranscriptFile {
    try TranscriptFile(name, in: self.descriptor)
  }

  /// Removes the oldest files until the others have at most `size` bytes.
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
