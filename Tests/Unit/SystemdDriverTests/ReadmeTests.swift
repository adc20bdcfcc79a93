import Foundation
import NomadPlugin
import Systemd
import TestHelpers
import Testing

@testable import SystemdDriver

/// The README's tables say what the code does.
@Suite struct ReadmeTests {
  /// The rows of the table that begins with a header, each by its cells.
  private func table(_ header: String) throws -> [[String]] {
    let lines = try String(contentsOfFile: "\(packageDirectory)/README.md", encoding: .utf8).split(
      separator: "\n", omittingEmptySubsequences: false)
    let start = try #require(lines.firstIndex { $0.hasPrefix("| \(header) |") })
    return lines[(start + 2)...].prefix { $0.hasPrefix("|") }.map { line in
      line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
    }
  }

  /// How a unit has ended, by systemd's word alone; nil if it has not.
  private func result(_ status: UnitStatus) -> ExitResult? {
    var lifecycle = UnitLifecycle(recovered: "a", isSameBoot: true)
    guard lifecycle.observe(status).last == .down,
      case .ended(let result)? = lifecycle.conclude(UnitHistory()).last
    else { return nil }
    return result
  }

  @Test func states() throws {
    var states: Set<String> = []
    for row in try self.table("systemd says (ActiveState)")
    where row[0] != "nothing: systemctl fails or hangs" {
      let status = try status(row[0], ["InvocationID": "a"])
      #expect((self.result(status) == nil) == (row[1] == "running"), "\(row)")
      states.insert(row[0])
    }
    let known: [ActiveState] = [
      .active, .reloading, .inactive, .failed, .activating, .deactivating, .maintenance, .refreshing,
    ]
    #expect(states == Set(known.map(\.description)))
  }

  @Test func exits() throws {
    let rows = try self.table("ActiveState")
    for row in rows {
      var properties = ["InvocationID": "a", "Result": row[1]]
      let process = row[2].split(separator: " ")
      if process.count == 2 {
        properties["ExecMainCode"] = ["exited": "1", "killed": "2", "dumped": "3"][process[0]]
        properties["ExecMainStatus"] = String(process[1])
      }
      let result = try #require(self.result(try status(row[0], properties)))
      #expect(result.exitCode == Int32(row[3]), "\(row)")
      #expect(result.signal == Int32(row[4]), "\(row)")
      #expect(result.oomKilled == (row[5] == "yes"), "\(row)")
      #expect((result.message == nil) == (result.exitCode == 0), "\(row)")
    }
    // All that systemd 257 has for services (service_result_table).
    let results: Set = [
      "success", "resources", "protocol", "timeout", "exit-code", "signal", "core-dump", "watchdog",
      "start-limit-hit", "oom-kill", "exec-condition",
    ]
    #expect(results.subtracting(rows.map { $0[1] }) == [])
  }
}
