/// The context in which a command runs that belongs to a unit. ``ExecHelper`` enters it.
package enum ExecContext: Sendable, Hashable {
  /// The context of a process of the unit: its control group, its namespaces, its root and working directory,
  /// its user.
  ///
  /// The process must be in the unit's control group, or in one below it: only then its number still belongs
  /// to the unit.
  ///
  /// It must also run as the user that systemd shows for the unit, unless that is root: a set-user-ID program
  /// can have become another user.
  case process(Int32, controlGroup: String, userID: UInt32?)

  /// The host's context, as a user.
  case host(HostContext)

  /// The context for a unit without a main process.
  package struct HostContext: Sendable, Hashable {
    /// The unit's control group; nil if it has none.
    package var controlGroup: String?

    /// The working directory, or `~` for the user's home.
    package var directory = "/"

    /// Whether `/` is used if the directory cannot be entered.
    package var isDirectoryOptional = false

    /// The user by name or number; nil for root.
    package var user: String?

    /// The group by name or number; nil for the user's.
    package var group: String?

    /// Further groups, by name or number.
    package var supplementaryGroups: [String] = []

    /// The user's number, if systemd shows it; that of a dynamic user is in no file.
    package var userID: UInt32?

    /// The group's number, if systemd shows it.
    package var groupID: UInt32?

    /// Makes root's context.
    package init() {}
  }

  /// The context as arguments of ``ExecHelper``.
  var arguments: [String] {
    switch self {
    case .process(let processID, let controlGroup, let userID):
      ["process", "\(processID)", controlGroup, userID.map(String.init) ?? ""]
    case .host(let host):
      [
        "host", host.controlGroup ?? "", host.directory, host.isDirectoryOptional ? "optional" : "",
        host.user ?? "", host.group ?? "", host.supplementaryGroups.joined(separator: " "),
        host.userID.map(String.init) ?? "", host.groupID.map(String.init) ?? "",
      ]
    }
  }

  /// Reads and removes the context at the beginning of arguments.
  init?(arguments: inout ArraySlice<String>) {
    func text(_ word: String) -> String? { word.isEmpty ? nil : word }
    let words = Array(arguments)
    if words.count >= 4, words[0] == "process", let processID = Int32(words[1]) {
      self = .process(processID, controlGroup: words[2], userID: UInt32(words[3]))
      arguments = arguments.dropFirst(4)
    } else if words.count >= 9, words[0] == "host" {
      var host = HostContext()
      host.controlGroup = text(words[1])
      host.directory = words[2]
      host.isDirectoryOptional = words[3] == "optional"
      host.user = text(words[4])
      host.group = text(words[5])
      host.supplementaryGroups = words[6].split(separator: " ").map(String.init)
      host.userID = UInt32(words[7])
      host.groupID = UInt32(words[8])
      self = .host(host)
      arguments = arguments.dropFirst(9)
    } else {
      return nil
    }
  }
}

extension ExecContext.HostContext {
  /// The properties that make up the context of a unit without a main process: see systemd.exec(5).
  package static let properties = [
    "ControlGroup", "WorkingDirectory", "User", "Group", "SupplementaryGroups", "UID", "GID",
  ]

  /// Reads ``properties`` as `systemctl show` prints them.
  package init(properties: [String: String]) {
    func value(_ name: String) -> String? { properties[name].flatMap { $0.isEmpty ? nil : $0 } }
    self.init()
    self.controlGroup = value("ControlGroup")
    if let directory = value("WorkingDirectory") {
      self.isDirectoryOptional = directory.hasPrefix("!")
      self.directory = String(directory.drop { $0 == "!" })
    }
    self.user = value("User")
    self.group = value("Group")
    self.supplementaryGroups = value("SupplementaryGroups")?.split(separator: " ").map(String.init) ?? []
    // The largest number stands for none (uid_is_valid in systemd's src/basic/user-util.c).
    func id(_ name: String) -> UInt32? {
      value(name).flatMap { UInt32($0) }.flatMap { $0 == .max ? nil : $0 }
    }
    self.userID = id("UID")
    self.groupID = id("GID")
  }
}
