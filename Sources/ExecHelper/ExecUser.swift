import Glibc

/// A user of the system's user database.
struct ExecUser {
  /// The name in the database, or the one that was asked for if the user is not known.
  let name: String
  /// Nil if the user is not known.
  var userID: uid_t?
  let groupID: gid_t?
  let home: String
  let shell: String
  private let isKnown: Bool

  /// Looks a user up.
  ///
  /// - Parameter name: a name or a number; a number need not be in the database.
  init(name: String) {
    let number = uid_t(name)
    guard let entry = number.map({ getpwuid($0) }) ?? getpwnam(name) else {
      self.name = name
      self.userID = number
      self.groupID = nil
      self.home = "/"
      self.shell = "/bin/sh"
      self.isKnown = false
      return
    }
    self.name = String(cString: entry.pointee.pw_name)
    self.userID = entry.pointee.pw_uid
    self.groupID = entry.pointee.pw_gid
    self.home = String(cString: entry.pointee.pw_dir)
    let shell = String(cString: entry.pointee.pw_shell)
    self.shell = shell.isEmpty ? "/bin/sh" : shell
    self.isKnown = true
  }

  /// The user's groups: the given one, and those in the database.
  func groups(with groupID: gid_t) -> [gid_t] {
    guard self.isKnown else { return [groupID] }
    var count: Int32 = 64
    while true {
      var groups = [gid_t](repeating: 0, count: Int(count))
      let capacity = count
      if getgrouplist(self.name, groupID, &groups, &count) >= 0 { return Array(groups.prefix(Int(count))) }
      // getgrouplist(3) has set the number of groups.
      guard count > capacity else { return [groupID] }
    }
  }

  /// The number of a group; nil if it is not known.
  static func groupID(_ group: String) -> gid_t? { gid_t(group) ?? getgrnam(group)?.pointee.gr_gid }
}
