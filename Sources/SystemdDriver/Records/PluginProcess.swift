import Foundation
import Processes

/// A process of the plugin, as the claim of a task names it.
struct PluginProcess: Codable, Sendable, Hashable {
  let process: Int32
  /// When it started, in clock ticks since the boot (proc_pid_stat(5)): numbers of processes are used again.
  let start: UInt64?
  let boot: String?
  /// Differs between any two claims.
  let token: String

  /// The number of `starttime` among the fields of `/proc/PID/stat`.
  private static let startField = 22

  /// This process, for a new claim.
  static func current() -> PluginProcess {
    PluginProcess(
      process: ProcessInfo.processInfo.processIdentifier,
      start: Linux.contents(of: "/proc/self/stat").flatMap { ProcessStat($0) }?.number(self.startField),
      boot: BootID.current, token: String(UInt64.random(in: .min ... .max), radix: 16))
  }
}
