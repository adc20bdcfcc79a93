/// Where the kernel's control groups are mounted on this host (cgroups(7)).
package struct ControlGroupMounts: Sendable, Hashable {
  /// A hierarchy of control groups in the file system.
  package struct Mount: Sendable, Hashable {
    /// Where it is mounted.
    package let path: String
    /// The group that is mounted there, as a path below the hierarchy's root.
    package let root: ControlGroupPath
  }

  /// Version 2.
  package private(set) var unified: Mount?
  /// Version 1, by controller, with systemd's own as `name=systemd`.
  package private(set) var controllers: [String: Mount] = [:]

  /// Makes mounts without a hierarchy.
  package init() {}

  /// Reads the text of `/proc/self/mountinfo` (proc_pid_mountinfo(5)). Of two mounts of a hierarchy the first
  /// counts; other lines are skipped.
  package init(mountinfo: [UInt8]) {
    for line in mountinfo.split(separator: UInt8(ascii: "\n")) {
      let fields = line.split(separator: UInt8(ascii: " "))
      // Before a single dash are the mount's fields, six and some optional ones; after it those of the file
      // system.
      guard let dash = fields.indices.dropFirst(6).first(where: { fields[$0] == [UInt8(ascii: "-")] }),
        fields.count >= dash + 4, let root = ControlGroupPath(Self.unescape(fields[3]))
      else { continue }
      let mount = Mount(path: Self.unescape(fields[4]), root: root)
      switch String(decoding: fields[dash + 1], as: UTF8.self) {
      case "cgroup2":
        if self.unified == nil { self.unified = mount }
      case "cgroup":
        for option in String(decoding: fields[dash + 3], as: UTF8.self).split(separator: ",").map(String.init)
        where self.controllers[option] == nil {
          self.controllers[option] = mount
        }
      default:
        continue
      }
    }
  }

  /// Undoes `\040` and the like: spaces, tabs, line ends and backslashes in paths.
  private static func unescape(_ field: ArraySlice<UInt8>) -> String {
    var bytes: [UInt8] = []
    var rest = field
    while let byte = rest.popFirst() {
      let digits = rest.prefix(3)
      if byte == UInt8(ascii: "\\"), digits.count == 3,
        let code = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
      {
        bytes.append(code)
        rest = rest.dropFirst(3)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
