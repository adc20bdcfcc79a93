import Processes
import Systemd

extension HostCheck {
  /// Checks that systemctl and journalctl can be run and are of a version that the driver works with.
  ///
  /// - Returns: the version of systemctl, and the checks.
  func programs() async throws -> (systemctl: SystemdVersion?, checks: [Check]) {
    var versions: [SystemdVersion] = []
    var checks: [Check] = []
    for name in ["systemctl", "journalctl"] {
      checks.append(
        try await self.check(name, .fail) {
          let output = try await self.run(name, "--version")
          let text = String(decoding: output.standardOutput, as: UTF8.self)
          guard output.result.termination.isSuccess, let version = SystemdVersion(text) else {
            return Check(
              name, .fail, self.message(of: output),
              hint: "\(self.path(name)) --version does not name systemd's version.")
          }
          versions.append(version)
          let finding = "\(self.path(name)), version \(version.full)"
          if version.number < Self.oldestVersion {
            return Check(
              name, .fail, finding, hint: "The driver needs systemd \(Self.oldestVersion) or later.")
          }
          if version != versions[0] {
            return Check(
              name, .warn, finding,
              hint: "It is not of the same version as systemctl: an update may be half done.")
          }
          return Check(name, .ok, finding)
        })
    }
    return (checks[0].verdict == .fail ? nil : versions.first, checks)
  }
}
