import Processes

/// The control groups of a host.
package struct ControlGroups: Sendable {
  let mounts: ControlGroupMounts
  let processDirectory: String
  let quota: OpenFileQuota

  /// The largest number of bytes that is read of the list of mounts.
  private static let mountinfoLimit = 4 << 20

  /// - Parameters:
  ///   - mounts: where the hierarchies are mounted.
  ///   - processDirectory: where proc(5) is mounted.
  ///   - quota: how many files may stay open.
  init(mounts: ControlGroupMounts, processDirectory: String = "/proc", quota: OpenFileQuota = OpenFileQuota())
  {
    self.mounts = mounts
    self.processDirectory = processDirectory
    self.quota = quota
  }

  /// The control groups of this host as it is now.
  package static var current: ControlGroups {
    let mountinfo = Linux.contents(of: "/proc/self/mountinfo", limit: Self.mountinfoLimit) ?? []
    return ControlGroups(mounts: ControlGroupMounts(mountinfo: mountinfo))
  }
}
