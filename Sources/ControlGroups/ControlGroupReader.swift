import Synchronization

/// Reads what the kernel counts for a control group, again and again. The files stay open in between, as far as the quota
/// allows.
package final class ControlGroupReader: Sendable {
  private let groups: ControlGroups
  private let group = Mutex<OpenControlGroup?>(nil)

  /// - Parameter groups: those of the host.
  package init(_ groups: ControlGroups) { self.groups = groups }

  /// What is counted for a group; `nil` if neither CPU time nor memory can be read.
  ///
  /// It reads up to ten files, and one for each process: that is for a thread that may wait.
  ///
  /// - Parameter path: the group, as systemd tells it.
  package func usage(of path: String) -> ControlGroupUsage? {
    self.group.withLock { group in
      if group?.path == path, let usage = group?.usage() { return usage }
      // The files of a group that was made anew are others. Those that were open give up their places before.
      group = nil
      group = OpenControlGroup(path, self.groups)
      let usage = group?.usage()
      if group?.mayStayOpen == false { group = nil }
      return usage
    }
  }
}
