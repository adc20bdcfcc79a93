import Foundation
import Logging
import Systemd

/// The commands of the systemd that the driver works with.
struct SystemdHost: Sendable {
  let systemctl: Systemctl
  let journalctl: Journalctl
  /// Reads what units use.
  let usage: UsageSampler
  /// Whether it may be another system's, with a clock of its own.
  let isRemote: Bool
  /// How many units' journal may be followed at once.
  let followers = FollowerLimit()
  /// Of the boot that this is (random(4)); nil where it is not known.
  let bootID: String?

  init(_ configuration: DriverConfiguration, runner: any CommandRunner, logger: Logger) {
    // Behind a prefix the other system looks the names up.
    func path(_ name: String) -> String { configuration.commandPrefix.isEmpty ? Executable.find(name) : name }
    self.isRemote = !configuration.commandPrefix.isEmpty
    self.bootID =
      self.isRemote
      ? nil
      : (try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8))?
        .trimmingCharacters(in: .whitespacesAndNewlines)
    self.systemctl = Systemctl(
      runner: runner, path: configuration.systemctlPath ?? path("systemctl"),
      commandPrefix: configuration.commandPrefix)
    self.journalctl = Journalctl(
      runner: runner, path: configuration.journalctlPath ?? path("journalctl"),
      commandPrefix: configuration.commandPrefix, logger: logger)
    self.usage = UsageSampler(reader: self.isRemote ? nil : .current, systemctl: self.systemctl)
  }

  /// Whether a start of the unit may do nothing since conditions of it are not met, as far as its files show: systemctl
  /// succeeds then and shows no conditions, so it takes another look after the start, which most units can be spared.
  func mayHaveConditions(_ status: UnitStatus) -> Bool {
    guard !self.isRemote, status.needsDaemonReload == false else { return true }
    let word = Data("Condition".utf8)
    return ([status.fragmentPath].compactMap(\.self) + status.dropInPaths).contains { path in
      guard let file = FileHandle(forReadingAtPath: path) else { return true }
      guard let text = try? file.read(upToCount: 1 << 20) else { return true }
      return text.count == 1 << 20 || text.range(of: word) != nil
    }
  }
}
