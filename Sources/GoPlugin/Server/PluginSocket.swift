import Foundation

/// Where the plugin's socket is, and who may use it.
struct PluginSocket {
  /// The absolute path, at most 107 bytes.
  let path: String

  private let privateDirectory: TemporaryDirectory?
  private let group: gid_t?

  /// Chooses a path that nobody uses: in a new private directory, or in the directory that the host names.
  ///
  /// - Throws: ``PluginServerError/socket(_:)`` if there is no such directory or group, or the path is unusable.
  init(directory: String?, group: String?, environment: [String: String]) throws(PluginServerError) {
    self.group =
      if let group { try Self.groupIdentifier(group) } else { nil }
    if let directory {
      self.privateDirectory = nil
      self.path = "\(directory)/plugin\(String(UInt64.random(in: .min ... .max), radix: 36))"
      try self.checkPath()
    } else {
      let privateDirectory = try TemporaryDirectory(environment: environment)
      self.privateDirectory = privateDirectory
      self.path = "\(privateDirectory.path)/plugin.sock"
      do { try self.checkPath() } catch {
        privateDirectory.remove()
        throw error
      }
    }
  }

  /// Gives the socket, which now exists, to its owner alone or to the group as well.
  ///
  /// - Throws: ``PluginServerError/socket(_:)`` if the system refuses.
  func grantAccess() throws(PluginServerError) {
    try self.setMode(0o600, of: self.path)
    guard let group = self.group else { return }
    try self.setGroup(group, of: self.path)
    try self.setMode(0o660, of: self.path)
    // The directory comes last: until then nobody else can have come near the socket.
    guard let directory = self.privateDirectory?.path else { return }
    try self.setGroup(group, of: directory)
    try self.setMode(0o710, of: directory)
  }

  /// Removes the socket and the private directory.
  func remove() {
    unlink(self.path)
    self.privateDirectory?.remove()
  }

  private func setMode(_ mode: mode_t, of path: String) throws(PluginServerError) {
    guard chmod(path, mode) == 0 else {
      let reason = errorText(errno)
      throw .socket("Cannot set the mode of '\(path)' to \(String(mode, radix: 8)): \(reason).")
    }
  }

  private func setGroup(_ group: gid_t, of path: String) throws(PluginServerError) {
    guard chown(path, .max, group) == 0 else {
      let reason = errorText(errno)
      throw .socket(
        "Cannot give '\(path)' to group \(group) (PLUGIN_UNIX_SOCKET_GROUP): \(reason). Unless the plugin "
          + "is root, it must be a member of the group.")
    }
  }

  private func checkPath() throws(PluginServerError) {
    let length = self.path.utf8.count
    guard length <= ProtocolLine.maximumSocketPathLength else {
      throw .socket(
        "The path of the plugin's socket, '\(self.path)', has \(length) bytes; a unix socket can have "
          + "\(ProtocolLine.maximumSocketPathLength). Set TMPDIR or PLUGIN_UNIX_SOCKET_DIR to a shorter path."
      )
    }
    let isPlain = self.path.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f && $0 != "|" }
    guard self.path.hasPrefix("/"), isPlain else {
      throw .socket(
        "The path of the plugin's socket, '\(self.path)', must be absolute, without '|' and control "
          + "characters. Set TMPDIR or PLUGIN_UNIX_SOCKET_DIR to another path.")
    }
  }

  /// The number of a group given by number or name, tried in this order as go-plugin does.
  private static func groupIdentifier(_ group: String) throws(PluginServerError) -> gid_t {
    // The highest number means "unchanged" to chown(2).
    if let number = gid_t(group), number != .max { return number }
    var entry = Glibc.group()
    var found: UnsafeMutablePointer<Glibc.group>?
    var buffer = [CChar](repeating: 0, count: 4096)
    var code = getgrnam_r(group, &entry, &buffer, buffer.count, &found)
    while code == ERANGE, buffer.count < 1 << 24 {
      buffer = [CChar](repeating: 0, count: buffer.count * 4)
      code = getgrnam_r(group, &entry, &buffer, buffer.count, &found)
    }
    guard code == 0, found != nil else {
      let reason = code == 0 ? "there is no such group" : errorText(code)
      throw .socket(
        "Cannot give the plugin's socket to group '\(group)' (PLUGIN_UNIX_SOCKET_GROUP): \(reason).")
    }
    return entry.gr_gid
  }
}
