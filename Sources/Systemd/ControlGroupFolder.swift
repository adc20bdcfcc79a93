import Glibc

/// The folder of a control group, with the kernel's files about it. No link is followed on the way to it or in it.
final class ControlGroupFolder {
  private let descriptor: Int32

  /// The largest number of bytes that is read of a file.
  static let fileLimit = 16 << 10

  private init?(descriptor: Int32) {
    guard descriptor >= 0 else { return nil }
    self.descriptor = descriptor
  }

  deinit { close(self.descriptor) }

  /// Opens the folder that a mount shows; the way to it is the administrator's.
  convenience init?(_ mount: ControlGroupMounts.Mount) {
    self.init(descriptor: open(mount.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
  }

  /// Opens a folder in this one; `nil` if there is none.
  func subfolder(_ name: String) -> ControlGroupFolder? {
    let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
    return ControlGroupFolder(descriptor: openat(self.descriptor, name, flags))
  }

  /// Stands for this folder and no other that is made later under its name: its inode's number.
  var identity: UInt64? { self.status.map { UInt64($0.st_ino) } }

  private var status: stat? {
    var status = stat()
    return fstat(self.descriptor, &status) == 0 ? status : nil
  }

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
  ///
  /// - Parameter isList: whether the kernel makes the text of it piece by piece, and not as a whole.
  func read(_ name: String, isList: Bool = false) -> [UInt8]? {
    let flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY
    return Self.read(openat(self.descriptor, name, flags), limit: Self.fileLimit, isList: isList)
  }

  /// The number that a file holds, alone on its line.
  func number(_ name: String) -> UInt64? { self.read(name).flatMap { KernelNumbers($0).first } }

  /// Reads the first bytes from a descriptor, and closes it.
  static func read(_ descriptor: Int32, limit: Int = fileLimit, isList: Bool = false) -> [UInt8]? {
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var isReadable = true
    let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
      while count < limit {
        let size = Glibc.read(descriptor, buffer.baseAddress.map { $0 + count }, limit - count)
        if size < 0, errno == EINTR { continue }
        if size < 0 { isReadable = false }
        guard size > 0 else { return }
        count += size
        // Most of what reading costs are system calls: there is none to hear that this was all.
        if !isList { return }
      }
    }
    return isReadable ? bytes : nil
  }
}
