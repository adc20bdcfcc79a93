import Glibc

/// The credentials of a process, from `/proc/PID/status` (proc(5)).
struct ProcessCredentials: Sendable, Hashable {
  /// The real user, which a set-user-ID program keeps.
  var userID: uid_t
  var groupID: gid_t
  var groups: [gid_t]
  var mask: mode_t
  /// The capabilities that the process and its children can ever have, a bit each (capabilities(7)).
  var boundingSet: UInt64
  var hasNoNewPrivileges: Bool

  /// Reads the file; nil if it lacks one of the values.
  init?(status: [UInt8]) {
    var values: [Substring: [Substring]] = [:]
    // By bytes: a process can give itself a name that ends in a carriage return, which is one Character with
    // the newline.
    for line in status.split(separator: UInt8(ascii: "\n")) {
      let parts = String(decoding: line, as: UTF8.self).split(
        separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, values[parts[0]] == nil else { continue }
      values[parts[0]] = parts[1].split { $0 == " " || $0 == "\t" }
    }
    guard let userID = values["Uid"]?.first.flatMap({ uid_t($0) }),
      let groupID = values["Gid"]?.first.flatMap({ gid_t($0) }), let groups = values["Groups"],
      let mask = values["Umask"]?.first.flatMap({ mode_t($0, radix: 8) }),
      let boundingSet = values["CapBnd"]?.first.flatMap({ UInt64($0, radix: 16) })
    else { return nil }
    self.userID = userID
    self.groupID = groupID
    self.groups = groups.compactMap { gid_t($0) }
    self.mask = mask
    self.boundingSet = boundingSet
    self.hasNoNewPrivileges = values["NoNewPrivs"]?.first == "1"
  }
}
