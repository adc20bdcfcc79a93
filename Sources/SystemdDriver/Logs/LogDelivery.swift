import Logging
import NomadPlugin
import Processes
import Systemd

/// Delivers the entries of a unit to Nomad's log collector, as lines.
///
/// The journal is the buffer: an entry is done when the collector's FIFO has taken its line. The cursor of the last
/// entry that is done says where to read on.
actor LogDelivery {
  private let configuration: LogConfiguration
  private let standardOutput: LogPipe
  private let standardError: LogPipe
  private let keeper: FIFOKeeper
  /// Whether the keeper still ends with this process, since no saved checkpoint names it.
  private var isKeeperAttached = false
  private var checkpoints: LogCheckpointStore
  private let logger: Logger
  /// How many writes were made: as long as this grows, the collector reads.
  private(set) var writeCount = 0
  /// How often a line had to wait, as the collector did not read.
  private(set) var waitCount = 0

  /// nil if log collection is off: both of the task's log files are `/dev/null`.
  ///
  /// - Parameter resumes: whether to go on where an earlier process of the plugin ended, if that is known.
  /// - Throws: `DriverError` if a FIFO is not what it should be.
  init?(for task: TaskConfig, _ configuration: LogConfiguration, resumes: Bool, logger: Logger) throws {
    guard task.stdoutPath != "/dev/null" || task.stderrPath != "/dev/null" else { return nil }
    self.configuration = configuration
    self.logger = logger
    self.checkpoints = LogCheckpointStore(for: task, resumes: resumes, logger: logger)
    self.standardOutput = try LogPipe(path: task.stdoutPath, for: task)
    self.standardError = try LogPipe(path: task.stderrPath, for: task)
    self.keeper = FIFOKeeper(
      of: [self.standardOutput, self.standardError], adopting: self.checkpoints.checkpoint.keeper)
  }

  /// How much of the entries is needed.
  nonisolated var detail: JournalEntry.Detail { self.configuration.format == .json ? .complete : .line }

  /// The last entry whose line was delivered whole; nil if there is none yet.
  var cursor: JournalCursor? { self.checkpoints.checkpoint.cursor }

  /// Keeps the collector from seeing the end of the logs if this process dies.
  func keepFIFOsOpen() async {
    do {
      guard let processID = try await self.keeper.keepFIFOsOpen() else { return }
      self.isKeeperAttached = true
      self.checkpoints.checkpoint.keeper = processID
      await self.saveCheckpoint()
    } catch {
      self.logger.warning(
        "Cannot keep the task's log FIFOs open: if the plugin dies, its logs end until the agent is restarted.",
        metadata: ["error": "\(error)"])
    }
  }

  /// Delivers the lines of entries. Waits while the collector does not read.
  ///
  /// - Throws: `CancellationError`; `DriverError` if a FIFO cannot be written to. What was delivered counts.
  func deliver(_ entries: [JournalEntry]) async throws {
    var batch = WriteBatch()
    for entry in entries {
      if let begin = entry.lossBegin {
        try await self.write(batch)
        batch = WriteBatch()
        try await self.writeLoss(from: begin, to: entry)
      }
      guard let line = LogLine(entry, self.configuration) else {
        batch.skip(entry)
        continue
      }
      if !batch.canAppend(line) {
        try await self.write(batch)
        batch = WriteBatch()
      }
      batch.append(line, of: entry)
    }
    try await self.write(batch)
  }

  /// Says that what was logged before an entry is lost.
  private func writeLoss(from begin: RealtimeTimestamp, to entry: JournalEntry) async throws {
    var line = LogLine(.lost(from: begin, to: entry.realtime), at: entry.realtime, self.configuration)
    if self.checkpoints.checkpoint.partial > 0 {
      // The rest of a line that was interrupted is lost as well.
      self.checkpoints.checkpoint.partial = 0
      line.bytes.insert(UInt8(ascii: "\n"), at: 0)
    }
    guard let position = entry.cursor.justBefore else { return }
    var batch = WriteBatch()
    batch.append(line, endingAt: position)
    try await self.write(batch)
  }

  /// Says something about the end of the logs, if the collector takes it at once.
  func write(_ notice: LogNotice, at time: RealtimeTimestamp) {
    var line = LogLine(notice, at: time, self.configuration)
    if self.checkpoints.checkpoint.partial > 0 { line.bytes.insert(UInt8(ascii: "\n"), at: 0) }
    let pipe = line.isError ? self.standardError : self.standardOutput
    _ = try? line.bytes.withUnsafeBytes { try pipe.write($0) }
  }

  private func write(_ batch: WriteBatch) async throws {
    let pipe = batch.isError ? self.standardError : self.standardOutput
    // An interruption may have left part of the first line to be written.
    var written = min(self.checkpoints.checkpoint.partial, batch.ends.first?.end ?? 0)
    var done = 0
    while done < batch.ends.count {
      try Task.checkCancellation()
      try TaskClaim.check()
      let count = try batch.bytes.withUnsafeBytes { bytes in
        try written == bytes.count ? 0 : pipe.write(UnsafeRawBufferPointer(rebasing: bytes[written...]))
      }
      guard let count else {
        self.waitCount += 1
        await pipe.waitForRoom()
        continue
      }
      // Nothing that ends this task may come between a write and its checkpoint.
      written += count
      while done < batch.ends.count, batch.ends[done].end <= written {
        self.checkpoints.checkpoint.cursor = batch.ends[done].cursor
        done += 1
      }
      self.checkpoints.checkpoint.partial = written - (done == 0 ? 0 : batch.ends[done - 1].end)
      await self.saveCheckpoint()
      self.writeCount += 1
    }
  }

  /// Ends the logs after the last line.
  func end() async {
    await self.closeFIFOs()
    self.checkpoints.checkpoint.keeper = nil
    await self.saveCheckpoint()
  }

  /// Ends the logs of a task that is forgotten, and removes what was kept for a recovery.
  func forget() async {
    await self.closeFIFOs()
    self.checkpoints.remove()
  }

  /// Closes the FIFOs of a task that another process of the plugin has taken: their keeper is that one's.
  func letGo() {
    self.standardOutput.close()
    self.standardError.close()
  }

  private func closeFIFOs() async {
    self.isKeeperAttached = false
    await self.keeper.closeFIFOs()
  }

  private func saveCheckpoint() async {
    guard self.checkpoints.saveCheckpoint(), self.isKeeperAttached else { return }
    self.isKeeperAttached = false
    await self.keeper.detach()
  }
}
