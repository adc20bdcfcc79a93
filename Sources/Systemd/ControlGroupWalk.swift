/// A walk through a hierarchy of control groups, from one group to the next: the folders that lead to both stay open.
struct ControlGroupWalk {
  private let mount: ControlGroupMounts.Mount
  private var path: [String] = []
  /// The folder of the mount, and those of ``path``.
  private var folders: [ControlGroupFolder] = []

  init(_ mount: ControlGroupMounts.Mount) { self.mount = mount }

  /// The folder of a group; `nil` if there is none, or none that the mount shows.
  mutating func folder(_ group: ControlGroupPath) -> ControlGroupFolder? {
    guard group.components.starts(with: self.mount.root.components) else { return nil }
    let components = group.components.dropFirst(self.mount.root.components.count)
    if self.folders.isEmpty {
      guard let folder = ControlGroupFolder(self.mount) else { return nil }
      self.folders = [folder]
    }
    let common = zip(self.path, components).prefix { $0 == $1 }.count
    self.path.removeLast(self.path.count - common)
    self.folders.removeLast(self.folders.count - 1 - common)
    for component in components.dropFirst(common) {
      guard let folder = self.folders.last?.subfolder(component) else { return nil }
      self.path.append(component)
      self.folders.append(folder)
    }
    return self.folders.last
  }
}
