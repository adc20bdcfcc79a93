import Foundation
import Processes
import Systemd

extension TranscriptRecord {
  /// Reads a line.
  ///
  /// - Parameter commandOf: the command with an identifier, for errors to name.
  /// - Throws: ``TranscriptError``, which does not name the file and the line.
  init(line: some Collection<UInt8>, commandOf: (UInt64) -> Command?) throws(TranscriptError) {
    let fields: Fields
    do {
      fields = try JSONDecoder().decode(Fields.self, from: Data(line))
    } catch {
      throw TranscriptError("it is not a JSON object with the values of a transcript record")
    }
    guard let record = fields.record(commandOf) else {
      throw TranscriptError("it is not a transcript record")
    }
    self = record
  }

  /// The line, with the line feed at its end.
  var line: [UInt8] {
    get throws {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      return [UInt8](try encoder.encode(Fields(self))) + [UInt8(ascii: "\n")]
    }
  }

  /// The values of a line. Which of them are present tells the records apart.
  private struct Fields: Codable {
    var transcript: Int?
    var plugin: String?
    var recording: String?
    var part: Int?
    var realtime: UInt64?
    var uptime: UInt64?
    var boot_id: String?
    var prefix: [String]?

    var start: UInt64?
    var output: UInt64?
    var end: UInt64?
    var at: UInt64?
    var command: [String]?
    var time_limit: UInt64?
    var output_limit: Int?
    var continued: Bool?
    var data: TranscriptBytes?
    var exit: Int32?
    var signal: Int32?
    var failure: Failure?
    var reason: String?
    var duration: UInt64?
    var stderr: TranscriptBytes?

    enum Failure: String, Codable {
      case notExecutable = "not-executable"
      case notStarted = "not-started"
      case timedOut = "timed-out"
      case tooMuchOutput = "too-much-output"
      case cancelled, refused
    }

    init(_ record: TranscriptRecord) {
      switch record {
      case .header(let header):
        self.transcript = TranscriptHeader.currentVersion
        self.plugin = header.plugin
        self.recording = header.recording
        self.part = header.part
        self.realtime = header.realtime.microseconds
        self.uptime = header.uptime
        self.boot_id = header.bootID
        self.prefix = header.commandPrefix
      case .start(let id, let at, let command, let isContinued):
        self.start = id
        self.at = at
        self.command = [command.executable] + command.arguments
        self.time_limit = command.timeLimit?.microseconds
        self.output_limit = command.outputLimit
        self.continued = isContinued ? true : nil
      case .output(let id, let at, let bytes):
        self.output = id
        self.at = at
        self.data = TranscriptBytes(bytes: bytes)
      case .end(let id, let at, let outcome):
        self.end = id
        self.at = at
        self.take(outcome)
      }
    }

    private mutating func take(_ outcome: TranscriptOutcome) {
      switch outcome {
      case .ended(let result):
        switch result.termination {
        case .exited(let status): self.exit = status
        case .signaled(let number): self.signal = number
        }
        self.duration = result.duration.microseconds
        self.stderr = result.standardError.isEmpty ? nil : TranscriptBytes(bytes: result.standardError)
      case .failed(.notExecutable(_, let reason)):
        self.failure = .notExecutable
        self.reason = reason
      case .failed(.spawnFailed(_, let reason)):
        self.failure = .notStarted
        self.reason = reason
      case .failed(.timedOut(_, let standardError)):
        self.failure = .timedOut
        self.reason = standardError
      case .failed(.tooMuchOutput):
        self.failure = .tooMuchOutput
      case .failed(.notRecorded(_, let reason)):
        self.failure = .notStarted
        self.reason = reason
      case .cancelled:
        self.failure = .cancelled
      case .refused(let reason):
        self.failure = .refused
        self.reason = reason
      }
    }

    func record(_ commandOf: (UInt64) -> Command?) -> TranscriptRecord? {
      if self.transcript != nil { return self.header.map { .header($0) } }
      guard let at = self.at, at <= Self.latest else { return nil }
      if let start = self.start, let command = self.command, let executable = command.first {
        return .start(
          id: start, at: at,
          Command(
            executable: executable, arguments: Array(command.dropFirst()),
            timeLimit: self.time_limit.map { .microseconds(Int64(min($0, Self.latest))) },
            outputLimit: self.output_limit ?? 4 << 20),
          isContinued: self.continued ?? false)
      }
      if let output = self.output, let data = self.data { return .output(id: output, at: at, data.bytes) }
      if let end = self.end, let command = commandOf(end), let outcome = self.outcome(of: command) {
        return .end(id: end, at: at, outcome)
      }
      return nil
    }

    /// The latest time, after a thousand years: sums of times cannot overflow.
    private static let latest: UInt64 = 1000 * 365 * 86400 * 1_000_000

    private var header: TranscriptHeader? {
      guard let plugin = self.plugin, let recording = self.recording, let part = self.part,
        (0..<Int.max).contains(part), let realtime = self.realtime, let uptime = self.uptime,
        let prefix = self.prefix
      else { return nil }
      return TranscriptHeader(
        plugin: plugin, recording: recording, part: part, realtime: RealtimeTimestamp(microseconds: realtime),
        uptime: uptime, bootID: self.boot_id, commandPrefix: prefix)
    }

    private func outcome(of command: Command) -> TranscriptOutcome? {
      switch self.failure {
      case .notExecutable: return .failed(.notExecutable(command, reason: self.reason ?? ""))
      case .notStarted: return .failed(.spawnFailed(command, reason: self.reason ?? ""))
      case .timedOut: return .failed(.timedOut(command, standardError: self.reason ?? ""))
      case .tooMuchOutput: return .failed(.tooMuchOutput(command))
      case .cancelled: return .cancelled
      case .refused: return .refused(self.reason ?? "")
      case nil: break
      }
      guard let termination = self.exit.map(Termination.exited) ?? self.signal.map(Termination.signaled)
      else {
        return nil
      }
      return .ended(
        CommandResult(
          termination: termination, standardError: self.stderr?.bytes ?? [],
          duration: .microseconds(Int64(min(self.duration ?? 0, Self.latest)))))
    }
  }
}
