import Glibc

/// The folder of a control group, with the kernel's files about it. No link is followed on the way to it or in it.
final class ControlGroupFolder {
  private let descriptor: Int32
  private lazy var status: stat? = {
    var status = stat()
    return fstat(self.descriptor, &status) == 0 ? status : nil
  }()

  /// The largest number of bytes that is read of a file.
  static let fileLimit = 16 << 10
  /// How much is read at once. The kernel makes lists in pages, and tells less than it was asked for before the end of one
  /// only if more than a page was asked for (its fs/seq_file.c).
  private static let pieceSize = 1 << 10

  private init?(descriptor: Int32) {
    guard descriptor >= 0 else { return nil }
    self.descriptor = descriptor
  }

  deinit { close(self.descriptor) }

  /// Opens the folder that a mount shows; the way to it is the administrator's.
  convenience init?(_ mount: ControlGroupMounts.Mount) {
    self.init(descriptor: open(mount.path, Linux.openPath | O_DIRECTORY | O_CLOEXEC))
  }

  /// Opens a folder in this one; `nil` if there is none.
  func subfolder(_ name: String) -> ControlGroupFolder? {
    let flags = Linux.openPath | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
    return ControlGroupFolder(descriptor: openat(self.descriptor, name, flags))
  }

  /// Stands for this folder and no other that is made later under its name: its inode's number.
  var identity: UInt64? { self.status.map { UInt64($0.st_ino) } }

  /// The names of the groups in this one, at most `limit`.
  func subgroups(limit: Int) -> [String] {
    // A folder of the kernel's has a link for itself, one for its name and one for each folder in it.
    guard limit > 0, self.status?.st_nlink != 2 else { return [] }
    let descriptor = openat(self.descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return [] }
    guard let stream = fdopendir(descriptor) else {
      close(descriptor)
      return []
    }
    defer { closedir(stream) }
    var names: [String] = []
    while names.count < limit, let entry = readdir(stream) {
      guard entry.pointee.d_type == UInt8(DT_DIR) else { continue }
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }

  /// The first bytes of a file, up to ``fileLimit``; `nil` if it cannot be read.
  func read(_ name: String) -> [UInt8]? {
    let flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY
    return Self.read(openat(self.descriptor, name, flags))
  }

  /// The number that a file holds, alone on its line.
  func number(_ name: String) -> UInt64? { self.read(name).flatMap { KernelNumbers($0).first } }

  /// Reads the first bytes of one of the kernel's files, up to ``fileLimit``, from a descriptor, and closes it.
  static func read(_ descriptor: Int32) -> [UInt8]? {
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    return withUnsafeTemporaryAllocation(byteCount: Self.pieceSize, alignment: 1) { piece in
      var bytes: [UInt8] = []
      while bytes.count < Self.fileLimit {
        let size = Glibc.read(descriptor, piece.baseAddress, piece.count)
        if size < 0, errno == EINTR { continue }
        guard size >= 0 else { return nil }
        bytes += piece[..<size]
        // Most of what reading costs are system calls: there is none to hear that this was all.
        if size < piece.count { break }
      }
      return bytes
    }
  }
}
