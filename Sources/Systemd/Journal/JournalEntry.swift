/// One entry of the journal.
///
/// The fields are described in `systemd.journal-fields(7)`. If an entry has a field several times, the first
/// value counts; several messages are joined by line feeds.
public struct JournalEntry: Sendable, Hashable {
  /// The entry's position in the journal.
  public var cursor: JournalCursor

  /// When journald received the entry, by the wall clock.
  public var realtime: RealtimeTimestamp

  /// When journald received the entry, in microseconds since the boot.
  public var monotonicMicroseconds: UInt64

  /// Identifies the boot; 32 hexadecimal digits.
  public var bootID: String

  /// What was logged: any bytes, usually UTF-8. Empty if there is no message.
  public var message: [UInt8] = []

  /// Whether the entry has a message, be it an empty one.
  public var hasMessage = false

  /// The priority from 0, emergency, to 7, debug (`syslog(3)`).
  public var priority: UInt8?

  /// The name that the program gave itself (`SYSLOG_IDENTIFIER`).
  public var identifier: String?

  /// The process that logged (`_PID`).
  public var processID: Int32?

  /// How journald received the entry: `stdout`, `syslog`, `journal` …, or `driver` for its own
  /// (`_TRANSPORT`).
  public var transport: String?

  /// The unit of the process that logged (`_SYSTEMD_UNIT`).
  public var unit: String?

  /// The run of the unit of the process that logged (`_SYSTEMD_INVOCATION_ID`).
  public var invocationID: String?

  /// The slice of the process that logged (`_SYSTEMD_SLICE`).
  public var slice: String?

  /// The user of the process that logged (`_UID`).
  public var userID: UInt32?

  /// The stream, such as a service's standard output or standard error, that the line came from
  /// (`_STREAM_ID`).
  public var streamID: String?

  /// The unit that the entry is about, if it is not the one that logged (`UNIT`).
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

  /// How a process of a unit has ended, in messages about an exit (`EXIT_CODE`, `EXIT_STATUS`).
  public var processExit: MainProcessExit?

  /// The setting that systemd ran that process for: `ExecStart` for the main process, `ExecStop` …
  /// (`COMMAND`).
  public var command: String?

  /// The whole entry as journalctl printed it; only with ``Detail/complete``.
  public var json: [UInt8]?

  /// How many bytes journalctl has printed for an entry that is too large to be read; nil for any other. Of such an
  /// entry only the cursor, the times and the unit are known.
  public var omittedSize: Int?

  /// When the entry was logged after which reading was to go on, if the journal no longer has that entry: what came
  /// between it and this entry may be lost. nil if nothing is.
  public var lossBegin: RealtimeTimestamp?

  /// Whether the service manager reports something about a unit: that it was started, that its main process
  /// exited …
  public var isLifecycle: Bool { self.processID == 1 && self.subjectUnit != nil }

  /// Whether journald reports that it has dropped entries of a unit because of its rate limit
  /// (`RateLimitBurst=`).
  public var isSuppression: Bool {
    self.transport == "driver" && self.messageID == "a596d6fe7bfa4994828e72309e95d61e"
  }

  /// Whether the entry is about a unit rather than from one of its processes: ``isLifecycle``,
  /// ``isSuppression``, or the report of a core dump (`SD_MESSAGE_COREDUMP`).
  public var isAboutUnit: Bool {
    self.isLifecycle || self.isSuppression || self.isCoredump
  }

  private var isCoredump: Bool { self.messageID == "fc2e22bc6ee647b6b90729ab34a250b1" }

  /// Calls `body` with each unit for which `journalctl --unit=` shows this entry.
  ///
  /// What an entry says about another unit counts only if it comes from the service manager or from root:
  /// anybody can write such fields into the journal.
  public func forEachUnit(_ body: (String) -> Void) {
    if let unit = self.unit { body(unit) }
    if let slice = self.slice { body(slice) }
    if self.processID == 1, let subjectUnit = self.subjectUnit { body(subjectUnit) }
    guard self.userID == 0 else { return }
    if let objectUnit = self.objectUnit { body(objectUnit) }
    if self.isCoredump, let coredumpUnit = self.coredumpUnit { body(coredumpUnit) }
  }
}
