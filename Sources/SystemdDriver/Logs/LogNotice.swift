import Foundation
import Processes
import Systemd

/// What the driver itself says in a task's log, in the place of lines that are missing there.
enum LogNotice: Sendable, Hashable {
  /// An entry is too large to be taken.
  case tooLarge(cursor: JournalCursor, size: Int)
  /// The journal has nothing more of the time in between.
  case lost(from: RealtimeTimestamp, to: RealtimeTimestamp)
  /// The last lines are given up, for this reason.
  case incomplete(reason: String)

  /// Who speaks.
  static let identifier = "nomad-driver-systemd"
  /// The priority of a notice: a warning.
  static let priority = 4

  var text: String {
    switch self {
    case .tooLarge(let cursor, let size):
      "An entry of \(size) bytes (as JSON) is left out: it is too large. To read it: "
        + "journalctl --cursor='\(cursor)' --lines=1 --output=cat --all"
    case .lost(let from, let to):
      "Lines may be missing here: the journal has nothing more of what was logged from \(from) to \(to)"
    case .incomplete(let reason):
      "The last lines may be missing: \(DisplayText(reason.utf8).text)"
    }
  }

  /// The notice as a line in a format.
  ///
  /// - Parameter time: of what it stands for.
  func line(at time: RealtimeTimestamp, _ format: LogConfiguration.Format) -> [UInt8] {
    switch format {
    case .message: Array("\(Self.identifier): \(self.text)\n".utf8)
    case .short: Array("\(time) \(Self.identifier): \(self.text)\n".utf8)
    case .json: self.json(at: time) + [UInt8(ascii: "\n")]
    }
  }

  private func json(at time: RealtimeTimestamp) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let fields = [
      "MESSAGE": self.text, "PRIORITY": "\(Self.priority)", "SYSLOG_IDENTIFIER": Self.identifier,
      "__REALTIME_TIMESTAMP": "\(time.microseconds)",
    ]
    return (try? encoder.encode(fields)).map { Array($0) } ?? []
  }
}
