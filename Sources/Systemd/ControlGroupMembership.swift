import Glibc

/// The control groups that a process is in: the lines of `/proc/PID/cgroup` (cgroups(7)).
struct ControlGroupMembership: Sendable, Hashable {
  private struct Line: Sendable, Hashable {
    /// Of a v1 hierarchy; empty for the unified one.
    let controllers: String
    let path: String

    /// Where systemd has the hierarchy mounted (systemd's src/shared/mount-setup.c).
    var mountPoints: [String] {
      switch self.controllers {
      case "": ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
      case "name=systemd": ["/sys/fs/cgroup/systemd"]
      default: ["/sys/fs/cgroup/\(self.controllers)"]
      }
    }
  }

  private let lines: [Line]

  /// Reads the file.
  init(_ bytes: [UInt8]) {
    self.lines = bytes.split(separator: UInt8(ascii: "\n")).compactMap { line in
      let fields = String(decoding: line, as: UTF8.self).split(
        separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      return fields.count == 3 ? Line(controllers: String(fields[1]), path: String(fields[2])) : nil
    }
  }

  /// The groups of a unit whose processes are not known, in the hierarchy that systemd keeps account in and no other.
  init(controlGroup: String) {
    self.lines = [
      Line(controllers: "", path: controlGroup), Line(controllers: "name=systemd", path: controlGroup),
    ]
  }

  /// The group in the hierarchy that systemd keeps account in.
  private var systemdGroup: String? {
    (self.lines.first { $0.controllers == "name=systemd" } ?? self.lines.first { $0.controllers.isEmpty })?.path
  }

  /// Whether a unit with this control group owns the process.
  func isInside(_ controlGroup: String) -> Bool {
    guard let group = self.systemdGroup, controlGroup.hasPrefix("/"), controlGroup != "/" else {
      return false
    }
    return group == controlGroup || group.hasPrefix(controlGroup + "/")
  }

  /// Puts this process into the groups, as far as there are such hierarchies.
  ///
  /// - Returns: whether there is one of them at least.
  /// - Throws: ``ExecHelper/Problem`` if the kernel refuses.
  func join() throws(ExecHelper.Problem) -> Bool {
    var hasJoined = false
    for line in self.lines {
      for mountPoint in line.mountPoints {
        let file = "\(mountPoint)\(line.path)/cgroup.procs"
        let descriptor = open(file, O_WRONLY | O_CLOEXEC)
        if descriptor < 0, errno == ENOENT { continue }
        guard descriptor >= 0, write(descriptor, "0", 1) == 1 else {
          throw ExecHelper.Problem("cannot join the control group: \(file)")
        }
        close(descriptor)
        hasJoined = true
        break
      }
    }
    return hasJoined
  }
}
