extension JournalEntry {
  /// Reads one line of `journalctl -o json`.
  ///
  /// - Throws: ``JournalEntryError`` if the line is not one JSON object, or lacks a field that every entry
  ///   has.
  public init(json line: ArraySlice<UInt8>) throws(JournalEntryError) {
    // What every entry has is not known before the whole line is read; the other fields are read in place.
    var cursor: JournalCursor?
    var realtime: UInt64?
    var monotonic: UInt64?
    var bootID: String?
    var exitCode: String?
    var exitStatus: Int32?
    do throws(JSONError) {
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
        case 7 where isKey("MESSAGE"):
          let message = try scanner.fieldValue().joined
          self.message = message ?? []
          self.hasMessage = message != nil
        case 7 where isKey("COMMAND"): self.command = try scanner.fieldValue().text
        case 8 where isKey("JOB_TYPE"): self.jobType = try scanner.fieldValue().text
        case 8 where isKey("PRIORITY"):
          self.priority = try scanner.fieldValue().number().flatMap { $0 <= 7 ? $0 : nil }
        case 8 where isKey("__CURSOR"): cursor = try scanner.fieldValue().text.flatMap { JournalCursor($0) }
        case 8 where isKey("_BOOT_ID"): bootID = try scanner.fieldValue().text
        case 9 where isKey("EXIT_CODE"): exitCode = try scanner.fieldValue().text
        case 10 where isKey("_STREAM_ID"): self.streamID = try scanner.fieldValue().text
        case 10 where isKey("_TRANSPORT"): self.transport = try scanner.fieldValue().text
        case 10 where isKey("MESSAGE_ID"): self.messageID = try scanner.fieldValue().text
        case 10 where isKey("JOB_RESULT"): self.jobResult = try scanner.fieldValue().text
        case 11 where isKey("UNIT_RESULT"): self.unitResult = try scanner.fieldValue().text
        case 11 where isKey("EXIT_STATUS"): exitStatus = try scanner.fieldValue().number()
        case 13 where isKey("_SYSTEMD_UNIT"): self.unit = try scanner.fieldValue().text
        case 13 where isKey("INVOCATION_ID"): self.subjectInvocationID = try scanner.fieldValue().text
        case 13 where isKey("COREDUMP_UNIT"): self.coredumpUnit = try scanner.fieldValue().text
        case 14 where isKey("_SYSTEMD_SLICE"): self.slice = try scanner.fieldValue().text
        case 17 where isKey("SYSLOG_IDENTIFIER"): self.identifier = try scanner.fieldValue().text
        case 19 where isKey("OBJECT_SYSTEMD_UNIT"): self.objectUnit = try scanner.fieldValue().text
        case 20 where isKey("__REALTIME_TIMESTAMP"): realtime = try scanner.fieldValue().number()
        case 21 where isKey("__MONOTONIC_TIMESTAMP"): monotonic = try scanner.fieldValue().number()
        case 22 where isKey("_SYSTEMD_INVOCATION_ID"): self.invocationID = try scanner.fieldValue().text
        default: try scanner.skipValue()
        }
      }
      try scanner.end()
    } catch {
      throw JournalEntryError(line: line, problem: error.description)
    }
    guard let cursor, let realtime, let monotonic, let bootID else {
      throw JournalEntryError(line: line, problem: "no valid cursor, timestamps and boot ID")
    }
    self.cursor = cursor
    self.realtime = RealtimeTimestamp(microseconds: realtime)
    self.monotonicMicroseconds = monotonic
    self.bootID = bootID
    if let exitCode, let exitStatus {
      self.processExit = MainProcessExit(word: exitCode, status: exitStatus)
    }
  }
}
