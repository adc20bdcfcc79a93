import Foundation
import NomadPlugin
import Systemd

/// What the driver keeps in a task's handle, as JSON: Nomad stores it when the task starts and gives it back to
/// recover the task.
struct DriverState: Codable, Sendable, Hashable {
  /// The version of this form.
  static let currentVersion = 1

  var version = Self.currentVersion
  var unit: String
  /// The journal's last entry when the start was asked for, or the time, in microseconds since 1970; neither if the
  /// journal was empty.
  private var cursor: String?
  private var since: UInt64?

  /// The largest state that is read, in bytes.
  private static let maximumSize = 16 << 10

  /// The boot in which the task started, where it is known.
  var bootID: String?

  /// The run of systemd's services in which the task started (``SystemdClient/userspaceRun()``), where it is known.
  var userspaceRun: String?

  /// The unit's run when the task had started.
  var invocationID: String?

  /// When the task had started, in microseconds since 1970.
  private var started: UInt64?

  init(
    unit: String, logs position: JournalPosition, bootID: String? = nil, userspaceRun: String? = nil,
    invocationID: String? = nil, startedAt: RealtimeTimestamp? = nil
  ) {
    self.unit = unit
    self.bootID = bootID
    self.userspaceRun = userspaceRun
    self.invocationID = invocationID
    self.started = startedAt?.microseconds
    switch position {
    case .beginning: break
    case .after(let cursor): self.cursor = cursor.text
    case .since(let time): self.since = time.microseconds
    }
  }

  /// When the task had started.
  var startedAt: RealtimeTimestamp? { self.started.map { RealtimeTimestamp(microseconds: $0) } }

  /// Where the task's logs begin.
  var logs: JournalPosition {
    if let cursor = self.cursor.flatMap({ JournalCursor($0) }) { return .after(cursor) }
    return self.since.map { .since(RealtimeTimestamp(microseconds: $0)) } ?? .beginning
  }

  /// Reads a handle's state.
  ///
  /// - Throws: `DriverError` (unrecoverable) that says why it is not one of this version.
  init(_ bytes: [UInt8]) throws {
    struct Version: Decodable { let version: Int }
    do {
      guard bytes.count <= Self.maximumSize else { throw CocoaError(.coderReadCorrupt) }
      let version = try JSONDecoder().decode(Version.self, from: Data(bytes)).version
      guard version == Self.currentVersion else {
        throw DriverError.unrecoverable(
          "The task's handle has version \(version) of the driver's state; this plugin knows version "
            + "\(Self.currentVersion). Run the version of the plugin that started the task, or restart the task."
        )
      }
      self = try JSONDecoder().decode(Self.self, from: Data(bytes))
    } catch let error as DriverError {
      throw error
    } catch {
      throw DriverError.unrecoverable(
        "The task's handle does not hold a state of this driver (\(bytes.count) bytes that cannot be read).")
    }
  }

  var encoded: [UInt8] {
    get throws {
      let encoder = JSONEncoder()
      encoder.outputFormatting = .sortedKeys
      return [UInt8](try encoder.encode(self))
    }
  }
}
