public import Systemd

/// The facts about a recording, in the first line of each of its files.
public struct TranscriptHeader: Sendable, Hashable {
  /// The version of the format that this code writes and reads.
  public static let currentVersion = 1

  /// The version of the plugin that recorded.
  public var plugin: String

  /// Identifies the recording in all of its files; 32 hexadecimal digits.
  public var recording: String

  /// The number of the file in the recording, from 0.
  public var part: Int

  /// When the recording began, by the wall clock of the machine that recorded.
  public var realtime: RealtimeTimestamp

  /// When the recording began, in microseconds since that machine's boot.
  public var uptime: UInt64

  /// Identifies that boot (random(4)); nil if it is not known.
  public var bootID: String?

  /// The words before every command, which reach a systemd elsewhere.
  public var commandPrefix: [String]
}

/// The version of a transcript, which is read before the rest of its first line.
struct TranscriptVersion: Decodable {
  let transcript: Int
}
