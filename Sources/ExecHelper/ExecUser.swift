import Glibc

/// What the system's user database tells of a user.
struct ExecUser {
  /// As it was asked for, or as the database has it.
  let name: String
  /// Nil for one that is not known.
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

  /// The user's groups: the one given, and those that the database has beside it.
  func groups(with groupID: gid_t) -> [gid_t] {
    guard self.isKnown else { return [groupID] }
    var count: Int32 = 64
    while true {
      var groups = [gid_t](repeating: 0, count: Int(count))
      let capacity = count
      if getgrouplist(self.name, groupID, &groups, &count) >= 0 { return Array(groups.prefix(Int(count))) }
      // It has said how many there are.
      guard count > capacity else { return [groupID] }
    }
  }

  /// The number of a group; nil for one that is not known.
  static func groupID(_ group: String) -> gid_t? { gid_t(group) ?? getgrnam(group)?.pointee.gr_gid }
}
