import Foundation
import NomadPlugin

/// What the driver keeps in a task's handle, as JSON: Nomad stores it when the task starts and gives it back to
/// recover the task.
struct DriverState: Codable, Sendable, Hashable {
  /// The version of this form.
  static let currentVersion = 1

  var version = Self.currentVersion
  var unit: String
  /// The unit's invocation when the task started, where systemd told it.
  var invocationID: String?
  /// Where the journal was when the start was asked for; nil if it was empty.
  var cursor: String?

  /// The largest state that is read, in bytes.
  private static let maximumSize = 16 << 10

  init(unit: String, invocationID: String?, cursor: String?) {
    self.unit = unit
    self.invocationID = invocationID
    self.cursor = cursor
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
            + "\(Self.currentVersion). Run the version of the plugin that started the task, or restart the task.")
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
