/// The control groups of a host.
package struct ControlGroups: Sendable {
  let mounts: ControlGroupMounts
  let processFolder: String
  let budget: OpenFileBudget

  /// The largest number of bytes that is read of the list of mounts.
  private static let mountinfoLimit = 4 << 20

  /// - Parameters:
  ///   - mounts: where they are.
  ///   - processFolder: where proc(5) is mounted.
  ///   - budget: how many of their files may stay open.
  init(mounts: ControlGroupMounts, processFolder: String = "/proc", budget: OpenFileBudget = OpenFileBudget())
  {
    self.mounts = mounts
    self.processFolder = processFolder
    self.budget = budget
  }

  /// Those of this host as it is now.
  package static var current: ControlGroups {
    let mountinfo = Linux.contents(of: "/proc/self/mountinfo", limit: Self.mountinfoLimit) ?? []
    return ControlGroups(mounts: ControlGroupMounts(mountinfo: mountinfo))
  }
}
