import Foundation
import NomadTestSupport
import Synchronization

/// What happens to the host meanwhile.
final class SoakDisturbances: Sendable {
  private let report: SoakReport
  private let last = Mutex<ContinuousClock.Instant?>(nil)

  init(_ report: SoakReport) { self.report = report }

  /// Whether systemd may just have been out of reach.
  var isRecent: Bool { self.last.withLock { $0.map { ContinuousClock.now - $0 < .seconds(20) } ?? false } }

  /// Disturbs the host now and then, until the task is cancelled.
  func run() async {
    while (try? await Task.sleep(for: .seconds(Int.random(in: 5...30)))) != nil {
      let command: [String] =
        switch Int.random(in: 0..<10) {
        case 0..<5: ["systemctl", "daemon-reload"]
        case 5..<7: ["journalctl", "--rotate"]
        case 7..<9: ["systemctl", "restart", "systemd-journald.service"]
        default: ["systemctl", "daemon-reexec"]
        }
      self.report.count(command.joined(separator: " "))
      self.report.say(command.joined(separator: " "))
      if command.contains("daemon-reexec") { self.last.withLock { $0 = ContinuousClock.now } }
      _ = try? await Units.run(command)
      if command.contains("daemon-reexec") { self.last.withLock { $0 = ContinuousClock.now } }
    }
  }
}
