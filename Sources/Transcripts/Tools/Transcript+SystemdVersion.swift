import Processes
package import Systemd

extension Transcript {
  /// The version of systemd that the commands were run with; nil if no command asked for it.
  package var systemdVersion: SystemdVersion? {
    self.exchanges.lazy.filter { $0.command.arguments.last == "--version" }
      .compactMap { SystemdVersion(String(decoding: $0.standardOutput.prefix(4096), as: UTF8.self)) }.first
  }
}
