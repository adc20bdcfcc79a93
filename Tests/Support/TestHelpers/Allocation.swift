import Foundation
package import MessagePack
package import NomadPlugin

/// An allocation with one task: its directory with the log collector's FIFOs, and the collector.
package final class Allocation: Sendable {
  package let config: TaskConfig
  package let standardOutput: LogCollector
  package let standardError: LogCollector
  private let directory: String

  /// - Parameter driverConfig: what the job says; without `logs` they are of the unit's own lines only.
  package convenience init(unit: String, driverConfig: [String: MessagePackValue]) throws {
    let logs: [String: MessagePackValue] = ["logs": ["lifecycle": false]]
    try self.init(unit: unit, driverConfig: MessagePackValue(logs.merging(driverConfig) { $1 }))
  }

  package convenience init(unit: String) throws {
    try self.init(unit: unit, driverConfig: ["unit": .string(unit)])
  }

  /// - Parameter parent: the directory that the allocation's is in.
  package init(
    unit: String, driverConfig: MessagePackValue, in parent: String = NSTemporaryDirectory()
  ) throws {
    var config = try TaskConfig.test(driverConfig)
    self.directory = "\(parent)/alloc-\(config.allocationID)"
    let logs = "\(self.directory)/alloc/logs"
    try FileManager.default.createDirectory(atPath: logs, withIntermediateDirectories: true)
    config.allocationDirectory = self.directory
    config.stdoutPath = "\(logs)/.main.stdout.fifo"
    config.stderrPath = "\(logs)/.main.stderr.fifo"
    self.config = config
    guard mkfifo(config.stdoutPath, 0o600) == 0, mkfifo(config.stderrPath, 0o600) == 0 else {
      throw POSIXError(.EIO)
    }
    self.standardOutput = LogCollector(of: config.stdoutPath)
    self.standardError = LogCollector(of: config.stderrPath)
  }

  /// What has been collected of standard output so far.
  package var bytes: [UInt8] { self.standardOutput.bytes }
  package var lines: [String] { self.standardOutput.lines }

  /// Waits until the collector has seen the end of the file. Gives the lines.
  package func allLines() async throws -> [String] { try await self.standardOutput.allLines() }

  package func endCollector() {
    self.standardOutput.end()
    self.standardError.end()
  }

  package func remove() {
    self.endCollector()
    try? FileManager.default.removeItem(atPath: self.directory)
  }
}
