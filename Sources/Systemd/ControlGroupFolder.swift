import Glibc

/// The folder of a control group, with the kernel's files about it. No link is followed on the way to it or in it.
///
/// The folder and its files stay open as far as the budget allows. Those of a group that has been removed tell nothing,
/// also when another has been made under its name.
final class ControlGroupFolder {
  private let folder: KernelFile
  private let budget: OpenFileBudget
  /// Those that have been read; nil is one that does not stay open.
  private var files: [String: KernelFile?] = [:]
  /// Whether one of its files could be read and cannot any more: the group has been removed.
  private(set) var isGone = false

  private static let flags = Linux.openPath | O_DIRECTORY

  private init?(_ folder: KernelFile?, _ budget: OpenFileBudget) {
    guard let folder else { return nil }
    self.folder = folder
    self.budget = budget
  }

  /// Opens the folder of a group; the way to the mount is the administrator's.
  ///
  /// - Returns: `nil` if there is none, or none that the mount shows.
  convenience init?(_ group: ControlGroupPath, in mount: ControlGroupMounts.Mount, _ budget: OpenFileBudget) {
    guard group.components.starts(with: mount.root.components) else { return nil }
    var names = group.components.dropFirst(mount.root.components.count)
    let last = names.popLast()
    var parent = KernelFile(mount.path, Self.flags, last == nil ? budget : nil)
    for name in names { parent = parent.flatMap { Self.open(name, in: $0) } }
    if let last { parent = parent.flatMap { Self.open(last, in: $0, budget) } }
    self.init(parent, budget)
  }

  /// Opens a folder in this one, which does not stay open; `nil` if there is none.
  func subfolder(_ name: String) -> ControlGroupFolder? {
    ControlGroupFolder(Self.open(name, in: self.folder), self.budget)
  }

  private static func open(_ name: String, in folder: KernelFile, _ budget: OpenFileBudget? = nil)
    -> KernelFile?
  {
    KernelFile(name, in: folder.descriptor, Self.flags | O_NOFOLLOW, budget)
  }

  /// Whether it may stay open: one that nothing could be read in was opened while its group was being removed.
  var mayStayOpen: Bool { self.folder.mayStayOpen && !self.files.isEmpty }

  private var status: stat? {
    var status = stat()
    return fstat(self.folder.descriptor, &status) == 0 ? status : nil
  }

  /// Stands for this folder and no other that is made later under its name: its inode's number.
  private(set) lazy var identity: String? = self.status.map { "\($0.st_ino)" }

  /// The names of the groups in this one, at most `limit`.
  func subgroups(limit: Int) -> [String] {
    // A folder of the kernel's has a link for itself, one for its name and one for each folder in it.
    guard limit > 0, self.status?.st_nlink != 2 else { return [] }
    let descriptor = openat(self.folder.descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
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

  /// Reads a file up to ``KernelFile/limit``; `nil` if it cannot be read.
  ///
  /// - Parameter staysOpen: whether it is to be left open for the next time, in a folder that is.
  func read(_ name: String, staysOpen: Bool = true) -> [UInt8]? {
    let known = self.files[name]
    var file = known.flatMap(\.self)
    if file == nil {
      let flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY
      file = KernelFile(
        name, in: self.folder.descriptor, flags, staysOpen && self.folder.mayStayOpen ? self.budget : nil)
    }
    let text = file?.read()
    if text != nil {
      self.files[name] = .some(file.flatMap { $0.mayStayOpen ? $0 : nil })
    } else if known != nil {
      self.isGone = true
    }
    return text
  }

  /// The number that a file holds, alone on its line.
  func number(_ name: String) -> UInt64? { self.read(name).flatMap { KernelNumbers($0).first } }
}
