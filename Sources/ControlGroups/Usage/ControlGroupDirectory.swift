import CLinux
import Glibc
import Processes

/// The directory of a control group, with the kernel's files about it. No symbolic link is followed to it or
/// in it.
///
/// The directory and its files stay open as far as the quota allows. Those of a group that has been removed
/// cannot be read, even if another group has been made under its name.
final class ControlGroupDirectory {
  private let directory: KernelFile
  private let quota: OpenFileQuota
  /// The files that have been read; nil for one that does not stay open.
  private var files: [String: KernelFile?] = [:]
  /// Whether a file could be read before and cannot any more: the group has been removed.
  private(set) var isGone = false

  private static let flags = O_PATH | O_DIRECTORY

  private init?(_ directory: KernelFile?, _ quota: OpenFileQuota) {
    guard let directory else { return nil }
    self.directory = directory
    self.quota = quota
  }

  /// Opens the directory of a group. The path of the mount is trusted, as the administrator has made it.
  ///
  /// - Returns: nil if there is no such group, or the mount does not show it.
  convenience init?(_ group: ControlGroupPath, in mount: ControlGroupMounts.Mount, _ quota: OpenFileQuota) {
    guard group.components.starts(with: mount.root.components) else { return nil }
    var names = group.components.dropFirst(mount.root.components.count)
    let last = names.popLast()
    var parent = KernelFile(mount.path, Self.flags, last == nil ? quota : nil)
    for name in names { parent = parent.flatMap { Self.open(name, in: $0) } }
    if let last { parent = parent.flatMap { Self.open(last, in: $0, quota) } }
    self.init(parent, quota)
  }

  /// Opens a directory in this one, which does not stay open; nil if there is none.
  func subdirectory(_ name: String) -> ControlGroupDirectory? {
    ControlGroupDirectory(Self.open(name, in: self.directory), self.quota)
  }

  private static func open(_ name: String, in directory: KernelFile, _ quota: OpenFileQuota? = nil)
    -> KernelFile?
  {
    KernelFile(name, in: directory.descriptor, Self.flags | O_NOFOLLOW, quota)
  }

  /// Whether it may stay open. If nothing could be read in it, its group was being removed when it was
  /// opened.
  var mayStayOpen: Bool { self.directory.mayStayOpen && !self.files.isEmpty }

  private var status: stat? {
    var status = stat()
    return fstat(self.directory.descriptor, &status) == 0 ? status : nil
  }

  /// Identifies this directory, unlike another that is made later under its name: the inode's number.
  private(set) lazy var identity: String? = self.status.map { "\($0.st_ino)" }

  /// The names of the groups in this one, at most `limit`.
  func subgroups(limit: Int) -> [String] {
    // The kernel's directories have a link for themselves, one for their name and one for each directory in
    // them.
    guard limit > 0, self.status?.st_nlink != 2 else { return [] }
    let descriptor = openat(self.directory.descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
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

  /// Reads a file up to ``KernelFile/limit``; nil if it cannot be read.
  ///
  /// - Parameter staysOpen: whether the file is left open for the next time, in a directory that stays open.
  func read(_ name: String, staysOpen: Bool = true) -> [UInt8]? {
    let known = self.files[name]
    var file = known.flatMap(\.self)
    if file == nil {
      let flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY
      file = KernelFile(
        name, in: self.directory.descriptor, flags, staysOpen && self.directory.mayStayOpen ? self.quota : nil
      )
    }
    let text = file?.read()
    if text != nil {
      self.files[name] = .some(file.flatMap { $0.mayStayOpen ? $0 : nil })
    } else if known != nil {
      self.isGone = true
    }
    return text
  }

  /// The number in a file that has nothing else on its first line.
  func number(_ name: String) -> UInt64? { self.read(name).flatMap { KernelNumbers($0).first } }
}
