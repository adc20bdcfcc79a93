import Processes

/// One entry of the journal.
///
/// The fields are described in `systemd.journal-fields(7)`. Of a field that an entry has several times, the first
/// value is taken; several messages are joined by line feeds.
public struct JournalEntry: Sendable, Hashable {
  /// The entry's position in the journal.
  public var cursor: JournalCursor

  /// When journald received the entry, by the wall clock.
  public var realtime: RealtimeTimestamp

  /// When journald received the entry, in microseconds since the boot.
  public var monotonicMicroseconds: UInt64

  /// Identifies the boot; 32 hexadecimal digits.
  public var bootID: String

  /// What was logged: any bytes, as a rule UTF-8. Empty where there is no message.
  public var message: [UInt8]

  /// The priority from 0, emergency, to 7, debug (`syslog(3)`).
  public var priority: UInt8?

  /// The program's name by its own account (`SYSLOG_IDENTIFIER`).
  public var identifier: String?

  /// The process that logged (`_PID`).
  public var processID: Int32?

  /// How the entry came to journald: `stdout`, `syslog`, `journal` …, or `driver` for journald's own (`_TRANSPORT`).
  public var transport: String?

  /// The unit of the process that logged (`_SYSTEMD_UNIT`).
  public var unit: String?

  /// The run of the unit of the process that logged (`_SYSTEMD_INVOCATION_ID`).
  public var invocationID: String?

  /// The slice of the process that logged (`_SYSTEMD_SLICE`).
  public var slice: String?

  /// The user of the process that logged (`_UID`).
  public var userID: UInt32?

  /// The stream, such as a service's standard output or standard error, that the line came from (`_STREAM_ID`).
  public var streamID: String?

  /// The unit that the entry is about, where it differs from the one that logged (`UNIT`).
  public var subjectUnit: String?

  /// The unit of another process that the entry is about (`OBJECT_SYSTEMD_UNIT`).
  public var objectUnit: String?

  /// The unit whose process has dumped core (`COREDUMP_UNIT`).
  public var coredumpUnit: String?

  /// The run of the unit that the entry is about (`INVOCATION_ID`).
  public var subjectInvocationID: String?

  /// Identifies the kind of message (`MESSAGE_ID`, `systemd.messages`); 32 hexadecimal digits.
  public var messageID: String?

  /// How a job ended, in messages about jobs: `done`, `failed`, `timeout` … (`JOB_RESULT`).
  public var jobResult: String?

  /// What a job was to do, in messages about jobs: `start`, `stop`, `restart` … (`JOB_TYPE`).
  public var jobType: String?

  /// The result that a unit has ended with, in messages about its failure (`UNIT_RESULT`).
  public var unitResult: String?

  /// How a process of a unit has ended, in messages about that (`EXIT_CODE`, `EXIT_STATUS`).
  public var processExit: MainProcessExit?

  /// The setting by which systemd ran that process: `ExecStart` for the main process, `ExecStop` … (`COMMAND`).
  public var command: String?

  /// Whether the entry has a message; one without has an empty ``message``.
  public var hasMessage = true

  /// The whole entry as journalctl printed it, with ``Detail/complete`` only.
  public var json: [UInt8]?

  /// Whether the service manager says here something about a unit: that it was started, its main process exited …
  public var isLifecycle: Bool { self.processID == 1 && self.subjectUnit != nil }

  /// Whether journald says here that it has dropped entries of a unit, as those were too many (`RateLimitBurst=`).
  public var isSuppression: Bool {
    self.transport == "driver" && self.messageID == "a596d6fe7bfa4994828e72309e95d61e"
  }

  /// Whether this tells of a unit rather than being said by its own processes: ``isLifecycle``, ``isSuppression``, or the
  /// report of a core dump (`SD_MESSAGE_COREDUMP`).
  public var isAboutUnit: Bool {
    self.isLifecycle || self.isSuppression || self.isCoredump
  }

  private var isCoredump: Bool { self.messageID == "fc2e22bc6ee647b6b90729ab34a250b1" }

  /// Names the units among whose entries journalctl shows this one if they are asked for (`--unit=`). What others than the
  /// service manager and root's services say of a unit does not count: anybody can write that into the journal.
  public func forEachUnit(_ body: (String) -> Void) {
    if let unit = self.unit { body(unit) }
    if let slice = self.slice { body(slice) }
    if self.processID == 1, let subjectUnit = self.subjectUnit { body(subjectUnit) }
    guard self.userID == 0 else { return }
    if let objectUnit = self.objectUnit { body(objectUnit) }
    if self.isCoredump, let coredumpUnit = self.coredumpUnit { body(coredumpUnit) }
  }

  /// How much of an entry is asked for: the fewer fields, the faster journalctl is.
  public enum Detail: Sendable {
    /// What a line of a log is made of.
    case line
    /// Those for ``forEachUnit(_:)`` as well.
    case lineAndUnits
    /// What the service manager tells about a unit's life as well.
    case lifecycle
    /// All fields.
    case complete

    /// The fields besides those that journalctl always gives; nil for all.
    var fields: [String]? {
      let line = ["MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "_PID", "_TRANSPORT", "UNIT", "MESSAGE_ID"]
      switch self {
      case .line: return line
      case .lineAndUnits:
        return line + ["_SYSTEMD_UNIT", "_SYSTEMD_SLICE", "_UID", "OBJECT_SYSTEMD_UNIT", "COREDUMP_UNIT"]
      case .lifecycle:
        return line + [
          "_SYSTEMD_UNIT", "_SYSTEMD_INVOCATION_ID", "_STREAM_ID", "INVOCATION_ID", "JOB_RESULT", "JOB_TYPE",
          "UNIT_RESULT", "EXIT_CODE", "EXIT_STATUS", "COMMAND",
        ]
      case .complete: return nil
      }
    }
  }
}

extension JournalEntry {
  /// Reads one line of `journalctl -o json`.
  ///
  /// - Throws: ``JournalEntryError`` if the line is not one JSON object, or has not the fields that every entry has.
  public init(json line: ArraySlice<UInt8>) throws(JournalEntryError) {
    var fields = Fields()
    do {
      try fields.read(line)
    } catch {
      throw JournalEntryError(line: line, problem: error.description)
    }
    guard let cursor = fields.cursor, let realtime = fields.realtime, let monotonic = fields.monotonic,
      let bootID = fields.bootID
    else {
      throw JournalEntryError(line: line, problem: "no valid cursor, timestamps and boot ID")
    }
    self.cursor = cursor
    self.realtime = RealtimeTimestamp(microseconds: realtime)
    self.monotonicMicroseconds = monotonic
    self.bootID = bootID
    self.message = fields.message ?? []
    self.hasMessage = fields.message != nil
    self.priority = fields.priority.flatMap { $0 <= 7 ? $0 : nil }
    self.identifier = fields.identifier
    self.processID = fields.processID
    self.transport = fields.transport
    self.unit = fields.unit
    self.invocationID = fields.invocationID
    self.slice = fields.slice
    self.userID = fields.userID
    self.streamID = fields.streamID
    self.subjectUnit = fields.subjectUnit
    self.objectUnit = fields.objectUnit
    self.coredumpUnit = fields.coredumpUnit
    self.subjectInvocationID = fields.subjectInvocationID
    self.messageID = fields.messageID
    self.jobResult = fields.jobResult
    self.jobType = fields.jobType
    self.unitResult = fields.unitResult
    self.command = fields.command
    if let exitCode = fields.exitCode, let exitStatus = fields.exitStatus {
      self.processExit = MainProcessExit(word: exitCode, status: exitStatus)
    }
  }

  private struct Fields {
    var cursor: JournalCursor?
    var realtime: UInt64?
    var monotonic: UInt64?
    var bootID: String?
    var message: [UInt8]?
    var priority: UInt8?
    var identifier: String?
    var processID: Int32?
    var transport: String?
    var unit: String?
    var invocationID: String?
    var slice: String?
    var userID: UInt32?
    var streamID: String?
    var subjectUnit: String?
    var objectUnit: String?
    var coredumpUnit: String?
    var subjectInvocationID: String?
    var messageID: String?
    var jobResult: String?
    var jobType: String?
    var unitResult: String?
    var exitCode: String?
    var exitStatus: Int32?
    var command: String?

    mutating func read(_ line: ArraySlice<UInt8>) throws(JSONError) {
      var scanner = JSONScanner(line)
      try scanner.beginObject()
      var isFirst = true
      while let key = try scanner.nextKey(isFirst: &isFirst) {
        func isKey(_ name: StaticString) -> Bool {
          key.elementsEqual(UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
        }
        // Comparing bytes with the few names of one length is much faster than making a string of the key.
        switch key.count {
        case 4 where isKey("_UID"): self.userID = try scanner.fieldValue().number()
        case 4 where isKey("_PID"): self.processID = try scanner.fieldValue().number()
        case 4 where isKey("UNIT"): self.subjectUnit = try scanner.fieldValue().text
        case 7 where isKey("MESSAGE"): self.message = try scanner.fieldValue().joined
        case 7 where isKey("COMMAND"): self.command = try scanner.fieldValue().text
        case 8 where isKey("JOB_TYPE"): self.jobType = try scanner.fieldValue().text
        case 8 where isKey("PRIORITY"): self.priority = try scanner.fieldValue().number()
        case 8 where isKey("__CURSOR"):
          self.cursor = try scanner.fieldValue().text.flatMap { JournalCursor($0) }
        case 8 where isKey("_BOOT_ID"): self.bootID = try scanner.fieldValue().text
        case 9 where isKey("EXIT_CODE"): self.exitCode = try scanner.fieldValue().text
        case 10 where isKey("_STREAM_ID"): self.streamID = try scanner.fieldValue().text
        case 10 where isKey("_TRANSPORT"): self.transport = try scanner.fieldValue().text
        case 10 where isKey("MESSAGE_ID"): self.messageID = try scanner.fieldValue().text
        case 10 where isKey("JOB_RESULT"): self.jobResult = try scanner.fieldValue().text
        case 11 where isKey("UNIT_RESULT"): self.unitResult = try scanner.fieldValue().text
        case 11 where isKey("EXIT_STATUS"): self.exitStatus = try scanner.fieldValue().number()
        case 13 where isKey("_SYSTEMD_UNIT"): self.unit = try scanner.fieldValue().text
        case 13 where isKey("INVOCATION_ID"): self.subjectInvocationID = try scanner.fieldValue().text
        case 13 where isKey("COREDUMP_UNIT"): self.coredumpUnit = try scanner.fieldValue().text
        case 14 where isKey("_SYSTEMD_SLICE"): self.slice = try scanner.fieldValue().text
        case 17 where isKey("SYSLOG_IDENTIFIER"): self.identifier = try scanner.fieldValue().text
        case 19 where isKey("OBJECT_SYSTEMD_UNIT"): self.objectUnit = try scanner.fieldValue().text
        case 20 where isKey("__REALTIME_TIMESTAMP"): self.realtime = try scanner.fieldValue().number()
        case 21 where isKey("__MONOTONIC_TIMESTAMP"): self.monotonic = try scanner.fieldValue().number()
        case 22 where isKey("_SYSTEMD_INVOCATION_ID"): self.invocationID = try scanner.fieldValue().text
        default: try scanner.skipValue()
        }
      }
      try scanner.end()
    }
  }
}

/// A line that is not an entry of the journal as `journalctl -o json` prints it.
public struct JournalEntryError: Error, Sendable, Hashable {
  /// The beginning of the line.
  public let lineStart: String

  /// What is wrong with it.
  public let problem: String

  init(line: ArraySlice<UInt8>, problem: String) {
    self.lineStart = DisplayText(line.prefix(100)).text
    self.problem = problem
  }
}

extension JournalEntryError: CustomStringConvertible {
  /// What is wrong, and the beginning of the line.
  public var description: String { "not a journal entry in JSON: \(self.problem): \(self.lineStart)" }
}
