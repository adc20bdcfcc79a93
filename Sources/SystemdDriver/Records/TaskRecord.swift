import Foundation
import NomadPlugin
import Systemd

/// What the driver keeps of a task beside its handle, which Nomad stores at the start and never again: as JSON in a
/// file.
///
/// A later version of the plugin can add fields; what is unknown here is passed over. All but the first three may be
/// missing.
struct TaskRecord: Codable, Sendable, Hashable {
  /// How a task has ended.
  struct End: Codable, Sendable, Hashable {
    var exitCode: Int32
    var signal: Int32
    var oomKilled: Bool
    /// Why, in words; nil for a good end.
    var message: String?
    /// When the unit ended, in microseconds since 1970; nil if that is not known.
    var time: UInt64?
  }

  /// The version of this form.
  static let currentVersion = 1

  var version = Self.currentVersion
  /// The task's ID.
  var task: String
  var unit: String
  var namespace: String?
  var job: String?
  var allocation: String?
  /// The allocation's directory: the record is kept as long as that is there.
  var allocationDirectory: String?
  /// The unit's run that the task began with.
  var firstRun: String?
  /// The unit's run that was told last.
  var lastRun: String?
  /// How the task has ended; nil as long as it has not.
  var end: End?
  /// When the last line of a task that has ended was delivered, in microseconds since 1970.
  var delivered: UInt64?
  /// When Nomad destroyed the task, in microseconds since 1970.
  var destroyed: UInt64?

  /// The longest message that is kept, in characters.
  private static let maximumMessageLength = 4096

  init(of config: TaskConfig, unit: UnitName) {
    self.task = config.id
    self.unit = unit.name
    self.namespace = config.namespace
    self.job = config.jobID
    self.allocation = config.allocationID
    self.allocationDirectory = config.allocationDirectory.isEmpty ? nil : config.allocationDirectory
  }

  /// Reads a record; nil if the bytes are not one of this version.
  init?(_ bytes: [UInt8]) {
    guard let record = try? JSONDecoder().decode(Self.self, from: Data(bytes)),
      record.version == Self.currentVersion
    else { return nil }
    self = record
  }

  var encoded: [UInt8] {
    get throws {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      return [UInt8](try encoder.encode(self)) + [UInt8(ascii: "\n")]
    }
  }

  /// Takes what is known of the unit now.
  mutating func take(_ lifecycle: UnitLifecycle) {
    guard lifecycle.phase != .starting else { return }
    if let run = lifecycle.invocationID {
      if self.firstRun == nil { self.firstRun = run }
      self.lastRun = run
    }
    guard case .ended(let result) = lifecycle.phase, self.end == nil else { return }
    self.end = End(
      exitCode: result.exitCode, signal: result.signal, oomKilled: result.oomKilled,
      message: result.message.map { String($0.prefix(Self.maximumMessageLength)) },
      time: lifecycle.endTime?.microseconds)
  }
}

extension ExitResult {
  /// The end that was told of a task.
  init(_ end: TaskRecord.End) {
    self.init(exitCode: end.exitCode, signal: end.signal, oomKilled: end.oomKilled, message: end.message)
  }
}
