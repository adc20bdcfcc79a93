import NomadPlugin
import Systemd
import Transcripts

/// Whether the commands that the driver runs are recorded, or answered from a recording.
enum TranscriptMode: Sendable, Hashable {
  case record(TranscriptWriter.Destination)
  /// From a file, at a speed.
  case replay(String, ReplaySpeed)
}

/// The options of the plugin that have to do with transcripts.
struct TranscriptOptions: Decodable {
  let record_dir: String?
  let record_limit: Int?
  /// Not in the schema: `run` records to one file.
  let record: String?
  let replay: String?
  let replay_speed: Double?

  /// The range of `record_limit`, in MiB.
  static let recordLimits = 1...1_048_576
  /// The smallest `replay_speed` that is not 0.
  private static let slowest = 0.001

  /// The largest `replay_speed`.
  static let fastest = 1e6

  /// The schema, with the defaults.
  static let schema: [String: HCLSpec] = [
    "record_dir": .attribute(.string),
    "record_limit": .default(.attribute(.number), 256),
    "replay": .attribute(.string),
    "replay_speed": .default(.attribute(.number), 1),
  ]

  /// What the options ask for; nil for nothing.
  ///
  /// - Throws: `ConfigurationError`, which names the attribute and what is allowed.
  var mode: TranscriptMode? {
    get throws(ConfigurationError) {
      let given = ["record_dir": self.record_dir, "record": self.record, "replay": self.replay]
        .compactMapValues { $0?.isEmpty == true ? nil : $0 }
      for (attribute, path) in given where !path.hasPrefix("/") || path.utf8.contains(0) {
        throw ConfigurationError(attribute: attribute, problem: "'\(path)' is not an absolute path")
      }
      guard given.count <= 1 else {
        throw ConfigurationError(
          attribute: "replay", problem: "commands are either recorded or replayed: leave record_dir out")
      }
      let limit = self.record_limit ?? 256
      guard Self.recordLimits.contains(limit) else {
        throw ConfigurationError(
          attribute: "record_limit", problem: "\(limit) is not a number of MiB from 1 to 1048576")
      }
      let speed = self.replay_speed ?? 1
      guard speed == 0 || (Self.slowest...Self.fastest).contains(speed) else {
        throw ConfigurationError(
          attribute: "replay_speed",
          problem:
            "\(speed) is neither 0 (as fast as it can) nor a number from \(Self.slowest) to \(Int(Self.fastest))"
        )
      }
      if let directory = given["record_dir"] { return .record(.directory(directory, limit: limit << 20)) }
      if let file = given["record"] { return .record(.file(file)) }
      return given["replay"].map { .replay($0, speed == 0 ? .asFastAsPossible : .times(speed)) }
    }
  }
}
