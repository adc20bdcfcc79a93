import Glibc

/// The control groups that a process is in: the lines of `/proc/PID/cgroup` (cgroups(7)).
package struct ControlGroupMembership: Sendable, Hashable {
  private struct Line: Sendable, Hashable {
    /// The controllers of a v1 hierarchy; empty for the unified one.
    let controllers: String
    let path: String

    /// The group's directory where systemd mounts the hierarchy (systemd's src/shared/mount-setup.c); nil if
    /// there is none.
    var directory: String? {
      switch self.controllers {
      case "":
        // Only groups of the unified hierarchy have cgroup.controllers, and only those of v1 have tasks.
        ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].map { $0 + self.path }.first {
          access("\($0)/cgroup.controllers", F_OK) == 0
        }
      case "name=systemd":
        ["/sys/fs/cgroup/systemd\(self.path)"].first { access("\($0)/tasks", F_OK) == 0 }
      default:
        ["/sys/fs/cgroup/\(self.controllers)\(self.path)"].first { access("\($0)/tasks", F_OK) == 0 }
      }
    }
  }

  private let lines: [Line]

  /// The groups, by their paths in their hierarchies.
  package var paths: [String] { self.lines.map(\.path) }

  /// Reads the file.
  package init(_ bytes: [UInt8]) {
    self.lines = bytes.split(separator: UInt8(ascii: "\n")).compactMap { line in
      let fields = String(decoding: line, as: UTF8.self).split(
        separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      return fields.count == 3 ? Line(controllers: String(fields[1]), path: String(fields[2])) : nil
    }
  }

  /// The groups of a unit without a known process: only in the hierarchy in which systemd tracks processes.
  package init(controlGroup: String) {
    self.lines = [
      Line(controllers: "", path: controlGroup), Line(controllers: "name=systemd", path: controlGroup),
    ]
  }

  /// Whether the process belongs to a unit with this control group, by the unified hierarchy or systemd's own
  /// of v1, whichever systemd uses.
  package func isInside(_ controlGroup: String) -> Bool {
    self.lines.contains { Self.isInside($0, controlGroup) }
  }

  private static func isInside(_ line: Line, _ controlGroup: String) -> Bool {
    guard controlGroup.hasPrefix("/"), controlGroup != "/" else { return false }
    return (line.controllers.isEmpty || line.controllers == "name=systemd")
      && (line.path == controlGroup || line.path.utf8.starts(with: "\(controlGroup)/".utf8))
  }

  /// Moves this process into the groups whose hierarchies there are, except for v1's freezer: in a frozen
  /// group it could not even be killed.
  ///
  /// - Returns: whether this process now belongs to a unit with this control group.
  /// - Throws: ``ControlGroupError`` if the kernel refuses.
  package func join(within controlGroup: String) throws(ControlGroupError) -> Bool {
    var hasJoined = false
    for line in self.lines where line.controllers != "freezer" {
      guard let directory = line.directory else { continue }
      let file = "\(directory)/cgroup.procs"
      let descriptor = open(file, O_WRONLY | O_CLOEXEC)
      guard descriptor >= 0, write(descriptor, "0", 1) == 1 else {
        // cgroups(7), "no internal processes".
        let code = errno
        let reason = code == EBUSY ? ", which has child groups and so can have no processes" : ""
        if descriptor >= 0 { close(descriptor) }
        throw ControlGroupError(text: "cannot join the control group: \(file)\(reason)", code: code)
      }
      close(descriptor)
      if Self.isInside(line, controlGroup) { hasJoined = true }
    }
    return hasJoined
  }
}
