import ControlGroups
import Foundation
import Systemd

/// The units that jobs may not have unless an operator says so: those that the host, its logs and logins, or the agent
/// live by.
enum ProtectedUnits {
  /// Those of any host.
  static let patterns: [UnitPattern] = [
    "init.scope", "-.slice", "system.slice", "system-*.slice", "user.slice", "user-*.slice", "machine.slice",
    "session-*.scope",
    "user@*.service", "user-runtime-dir@*.service",
    "systemd-*", "udev*.service", "udev*.socket", "dbus*.service", "dbus*.socket", "polkit*.service",
    "ssh.service", "ssh.socket", "ssh@*.service", "sshd*.service", "sshd*.socket",
    "networking.service", "network-manager.service", "NetworkManager*.service", "ifup@*.service",
    "getty@*.service", "serial-getty@*.service", "console-getty.service", "container-getty@*.service",
    "autovt@*.service", "debug-shell.service", "emergency.service", "rescue.service", "initrd-*",
    "quotaon*.service",
    "-.mount", "boot*.mount", "dev*.mount", "etc*.mount", "proc*.mount", "run.mount", "run-lock.mount",
    "run-user*.mount", "sys-*.mount", "sys.mount", "tmp.mount", "usr*.mount", "var.mount", "var-lib.mount",
    "var-log*.mount", "*.device", "*.swap", "nomad.service",
    "basic.target", "sysinit.target", "multi-user.target", "graphical.target", "default.target",
    "runlevel*.target",
    "rescue.target", "emergency.target", "initrd*.target", "poweroff.target", "reboot.target",
    "soft-reboot.target",
    "halt.target", "kexec.target", "exit.target", "shutdown.target", "final.target", "umount.target",
    "ctrl-alt-del.target", "suspend*.target", "sleep.target", "hibernate.target", "hybrid-sleep.target",
    "system-update*.target", "local-fs*.target", "remote-fs*.target", "network*.target", "nss-*.target",
    "swap.target", "sockets.target", "timers.target", "paths.target", "slices.target", "getty*.target",
    "cryptsetup*.target", "veritysetup*.target", "integritysetup*.target", "factory-reset.target",
    "storage-target-mode.target",
  ]

  /// The units that this process and the one that has started it run in.
  static let own: Set<String> = ["self", "\(getppid())"].reduce(into: []) { names, process in
    guard let text = try? String(contentsOfFile: "/proc/\(process)/cgroup", encoding: .utf8) else { return }
    names.formUnion(ProtectedUnits.names(inControlGroups: text))
  }

  /// The units that a process runs in, by the file in which the kernel tells of its control groups (`cgroups(7)`): its
  /// service or scope, and all slices around that.
  static func names(inControlGroups text: String) -> Set<String> {
    var names: Set<String> = []
    for path in ControlGroupMembership(Array(text.utf8)).paths {
      // What is below a service or scope was made by that, not by systemd.
      for component in path.split(separator: "/") {
        guard let unit = try? UnitName(String(component)), unit.name == component else { break }
        names.insert(unit.name)
        guard unit.type == .slice else { break }
      }
    }
    return names
  }
}
