import Synchronization

/// Reads the usage of a control group repeatedly. Its files stay open in between, as far as the quota allows.
package final class ControlGroupReader: Sendable {
  private let groups: ControlGroups
  private let group = Mutex<OpenControlGroup?>(nil)

  /// - Parameter groups: the control groups of the host.
  package init(_ groups: ControlGroups) { self.groups = groups }

  /// The usage of a group; nil if neither CPU time nor memory can be read.
  ///
  /// It reads up to ten files, and one for each process, so it is for a thread that may block.
  ///
  /// - Parameter path: the group, as systemd shows it.
  package func usage(of path: String) -> ControlGroupUsage? {
    self.group.withLock { group in
      if group?.path == path, let usage = group?.usage() { return usage }
      // A group that was made anew has other files. The open ones are closed first, to release their quota.
      group = nil
      group = OpenControlGroup(path, self.groups)
      let usage = group?.usage()
      if group?.mayStayOpen == false { group = nil }
      return usage
    }
  }
}
