import Foundation
import Synchronization
import Systemd

/// The record of a task that this plugin has, in memory and in its file, which is written when something changes.
final class TaskRecordKeeper: Sendable {
  private let records: TaskRecords
  private let record: Mutex<TaskRecord>
  private let claim: TaskClaim

  /// - Parameters:
  ///   - record: what is known of the task, and in the file already if the task is recovered.
  ///   - claim: what makes the task this plugin's.
  init(_ record: TaskRecord, in records: TaskRecords, _ claim: TaskClaim) {
    self.record = Mutex(record)
    self.records = records
    self.claim = claim
  }

  /// Writes the record as it is.
  func save() { self.records.write(self.record.withLock { $0 }) }

  /// Takes what is known of the unit now.
  func take(_ lifecycle: UnitLifecycle) { self.update { $0.take(lifecycle) } }

  /// The task has ended, and its last line is delivered.
  func logsAreDelivered() { self.update { $0.delivered = RealtimeTimestamp(Date()).microseconds } }

  /// Whether the last line of a task that has ended was delivered before.
  var areLogsDelivered: Bool { self.record.withLock { $0.delivered != nil } }

  /// Nomad destroys the task.
  func taskIsDestroyed() { self.update { $0.destroyed = RealtimeTimestamp(Date()).microseconds } }

  /// Removes the file: the task has never been one.
  func remove() { self.records.remove(self.record.withLock(\.task)) }

  private func update(_ change: (inout TaskRecord) -> Void) {
    self.record.withLock { record in
      let before = record
      change(&record)
      // What another plugin has written is not to be replaced.
      if record != before, self.claim.isHeld { self.records.write(record) }
    }
  }
}
