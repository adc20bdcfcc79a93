import AsyncPrimitives
import Logging
import NomadPlugin
import Processes
import Systemd

/// Takes the lines of a unit from the journal to Nomad's log collector.
///
/// The journal is the buffer: an entry is done when the collector's FIFO has taken it, and what follows is read
/// from the cursor of the last entry done.
actor LogDelivery {
  /// What a delivery has to tell besides lines.
  enum News: Sendable, Hashable {
    /// systemd has said something about the unit, and when: in microseconds since the boot.
    case lifecycle(UInt64)
    /// journald has dropped entries of the unit, in its words.
    case suppressed(String)
    /// The journal cannot be followed, and why.
    case unavailable(String)
  }

  private let unit: UnitName
  private let configuration: LogConfiguration
  private let journalctl: Journalctl
  private let followers: JournalFollowers
  private let standardOutput: LogPipe
  private let standardError: LogPipe
  private let logger: Logger
  /// Nil where logs are off, or the file cannot be had.
  private let file: LogCheckpointFile?
  /// Whether there is anybody to deliver lines to.
  private let isOn: Bool
  /// Where the entries begin that have not been delivered whole.
  private var beginning: JournalPosition
  /// How far the delivery is after that.
  private var position: LogCheckpoint
  private var holder: DescriptorKeeper?
  /// That one, as long as it is not noted where a later process of the plugin finds it.
  private var unnotedHolder: DescriptorKeeper?
  /// Whether the position could not be noted the last time.
  private var isNoteMissing = false
  /// The units whose entries are wanted, and whoever waits for them to be others.
  private var units: [UnitName]
  private var otherUnits = Promise<Void>()
  /// How often something has moved.
  private var progress = 0

  /// How long the last lines of a unit that has ended may take without any progress, journald and a slow collector
  /// included.
  private static let patience: Duration = .seconds(10)
  /// How long they may take in all.
  private static let longestEnd: Duration = .seconds(300)
  /// How long journald is asked again whether it has all lines if it does not answer, and how often.
  private static let syncPatience: Duration = .seconds(2)
  private static let syncInterval: Duration = .milliseconds(100)
  /// How long to wait before journalctl is started again after it failed, at first and at most.
  private static let retryIntervals: ClosedRange<Duration> = .seconds(1)...(.seconds(30))

  /// - Parameters:
  ///   - unit: the task's unit.
  ///   - triggered: further units whose entries are wanted.
  ///   - position: where to begin.
  ///   - resumes: whether to go on where an earlier process of the plugin ended, if that is known.
  /// - Throws: `DriverError` if a FIFO is not what it should be.
  init(
    of unit: UnitName, and triggered: [UnitName] = [], for task: TaskConfig,
    _ configuration: LogConfiguration,
    from position: JournalPosition, resumes: Bool, journalctl: Journalctl, followers: JournalFollowers,
    logger: Logger
  ) throws {
    self.unit = unit
    self.units = [unit] + triggered
    self.configuration = configuration
    self.journalctl = journalctl
    self.followers = followers
    self.logger = logger
    self.isOn = task.stdoutPath != "/dev/null" || task.stderrPath != "/dev/null"
    var file: LogCheckpointFile?
    if self.isOn {
      do {
        file = try LogCheckpointFile(for: task)
      } catch {
        logger.warning(
          "After a restart of the plugin lines will be repeated.", metadata: ["error": "\(error)"])
      }
    }
    self.file = file
    let kept = file?.read()
    self.position = (resumes ? kept : nil) ?? LogCheckpoint()
    // A process before this one may have died while it started the same task.
    self.position.holder = kept?.holder
    self.beginning = self.position.cursor.map { .after($0) } ?? position
    self.standardOutput = try LogPipe(path: task.stdoutPath, for: task)
    self.standardError = try LogPipe(path: task.stderrPath, for: task)
  }

  /// Takes the units that the task's unit triggers, whose entries are wanted as well.
  func setTriggered(_ triggered: [UnitName]) {
    let units = [self.unit] + triggered
    guard units != self.units else { return }
    self.units = units
    self.otherUnits.fulfil(())
    self.otherUnits = Promise()
  }

  /// Keeps the collector from seeing the end of the logs if this process dies: it would not begin again.
  func hold() async {
    guard self.isOn, self.holder == nil else { return }
    self.takeUpHolder()
    guard self.holder == nil else { return }
    let descriptors = self.duplicates
    defer { for descriptor in descriptors { LogPipe.close(descriptor) } }
    guard let first = descriptors.first, let last = descriptors.last else { return }
    do {
      let holder = try await DescriptorKeeper.start(holding: first, last)
      self.holder = holder
      self.position.holder = holder.processID
      self.unnotedHolder = holder
      await self.note()
    } catch {
      self.logger.warning(
        "If the plugin dies, the task's logs end until the agent is restarted: nothing holds them open.",
        metadata: ["error": "\(error)"])
    }
  }

  /// Finds the holder that an earlier process of the plugin has started.
  private func takeUpHolder() {
    guard self.holder == nil, let processID = self.position.holder else { return }
    let descriptors = self.duplicates
    defer { for descriptor in descriptors { LogPipe.close(descriptor) } }
    self.holder = descriptors.first.flatMap { DescriptorKeeper(processID: processID, holding: $0) }
  }

  private var duplicates: [Int32] {
    [self.standardOutput.duplicate(), self.standardError.duplicate()].compactMap(\.self)
  }

  // MARK: Following

  /// Delivers lines as they come, until the task is cancelled.
  func follow(_ tell: @escaping @Sendable (News) async -> Void) async {
    guard self.isOn else { return }
    var retryInterval = Self.retryIntervals.lowerBound
    while !Task.isCancelled {
      let progress = self.progress
      do {
        try await self.followUntilOthersAreWanted(tell)
        continue
      } catch is CancellationError {
        return
      } catch {
        self.logger.warning(
          "The journal of the unit cannot be followed; trying again.",
          metadata: ["unit": "\(self.unit)", "error": "\(error)"])
        // One that ends now and then is no news to an operator, one that does nothing else is.
        if self.progress > progress {
          retryInterval = Self.retryIntervals.lowerBound
        } else {
          if retryInterval == Self.retryIntervals.lowerBound * 2 { await tell(.unavailable("\(error)")) }
          retryInterval = min(retryInterval * 2, Self.retryIntervals.upperBound)
        }
      }
      try? await Task.sleep(for: retryInterval)
    }
  }

  /// Delivers lines until other units are wanted.
  private func followUntilOthersAreWanted(_ tell: @escaping @Sendable (News) async -> Void) async throws {
    let others = self.otherUnits
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        try await self.followers.follow(self.units, after: self.beginning, self.detail) { entries in
          try await self.deliver(entries, tell)
        }
      }
      group.addTask { try await others.value }
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  private func read(_ tell: @escaping @Sendable (News) async -> Void) async throws {
    try await self.journalctl.read(self.units, after: self.beginning, self.detail) { @Sendable entries in
      try await self.deliver(entries, tell)
    }
  }

  private var detail: JournalEntry.Detail { self.configuration.format == .json ? .complete : .line }

  // MARK: The end

  /// Delivers what is left when the unit has ended and nobody follows any more, and ends the logs.
  ///
  /// - Throws: `CancellationError` if the task is cancelled: the logs are left for the next process of the plugin.
  func finish(_ tell: @escaping @Sendable (News) async -> Void) async throws {
    if self.isOn {
      await withTaskGroup(of: Void.self) { group in
        group.addTask { await self.deliverRest(tell) }
        group.addTask { await self.waitForStandstill() }
        await group.next()
        group.cancelAll()
      }
      try Task.checkCancellation()
    }
    await self.close()
    self.position.holder = nil
    await self.note()
  }

  private func waitForStandstill() async {
    let deadline = ContinuousClock.now + Self.longestEnd
    var progress = -1
    while self.progress != progress, ContinuousClock.now < deadline {
      progress = self.progress
      guard (try? await Task.sleep(for: Self.patience)) != nil else { return }
    }
    if !Task.isCancelled {
      self.logger.warning(
        """
        The last lines of the unit are given up: the task's log collector does not take them, or journalctl does not \
        tell them.
        """, metadata: ["unit": "\(self.unit)"])
    }
  }

  /// Ends the logs of a task that is forgotten and removes what was kept for a recovery.
  func forget() async {
    await self.close()
    self.file?.remove()
  }

  /// The collector sees the end of the logs when nobody holds them open any more.
  private func close() async {
    self.takeUpHolder()
    self.standardOutput.close()
    self.standardError.close()
    // Its end has room for one who waits, and there can be another close meanwhile.
    let holder = self.holder
    self.holder = nil
    self.unnotedHolder = nil
    await holder?.end()
  }

  private func deliverRest(_ tell: @escaping @Sendable (News) async -> Void) async {
    do {
      try await self.sync()
    } catch {
      self.logger.warning("journald did not say that it has all lines.", metadata: ["error": "\(error)"])
    }
    self.progress += 1
    do {
      try await self.read(tell)
    } catch {
      self.logger.warning(
        "The last lines of the unit may be missing from the task's logs.",
        metadata: ["unit": "\(self.unit)", "error": "\(error)"])
    }
  }

  private func sync() async throws {
    let deadline = ContinuousClock.now + Self.syncPatience
    while true {
      do {
        return try await self.followers.sync()
      } catch let error as SystemdError where error.reason != .accessDenied && ContinuousClock.now < deadline
      {
        // journald may just be restarted.
        try await Task.sleep(for: Self.syncInterval)
      }
    }
  }

  // MARK: Delivery

  private func deliver(_ entries: [JournalEntry], _ tell: @Sendable (News) async -> Void) async throws {
    var portion = WriteBatch()
    for entry in entries {
      if entry.isLifecycle { await tell(.lifecycle(entry.monotonicMicroseconds)) }
      if entry.isSuppression { await tell(.suppressed(String(decoding: entry.message, as: UTF8.self))) }
      guard let line = LogLine(entry, self.configuration) else {
        portion.append([], of: entry)
        continue
      }
      if !portion.takes(line) {
        try await self.write(portion)
        portion = WriteBatch()
      }
      portion.isError = line.isError
      portion.append(line.bytes, of: entry)
    }
    try await self.write(portion)
  }

  /// Whole lines for one of the streams that are written at once.
  private struct WriteBatch {
    var isError = false
    private(set) var bytes: [UInt8] = []
    /// Where the line of each entry ends.
    private(set) var ends: [(end: Int, cursor: JournalCursor)] = []

    /// Whether a line can be added: those of a portion fit into what a FIFO takes whole or not at all, if one line does.
    func takes(_ line: LogLine) -> Bool {
      self.bytes.isEmpty
        || (line.isError == self.isError && self.bytes.count + line.bytes.count <= LogPipe.atomicSize)
    }

    mutating func append(_ line: [UInt8], of entry: JournalEntry) {
      self.bytes += line
      self.ends.append((self.bytes.count, entry.cursor))
    }
  }

  private func write(_ portion: WriteBatch) async throws {
    let pipe = portion.isError ? self.standardError : self.standardOutput
    // What has been delivered of the first line, before this was interrupted.
    var written = min(self.position.partial, portion.ends.first?.end ?? 0)
    var done = 0
    while done < portion.ends.count {
      try Task.checkCancellation()
      let count = try portion.bytes.withUnsafeBytes { bytes in
        try written == bytes.count ? 0 : pipe.write(UnsafeRawBufferPointer(rebasing: bytes[written...]))
      }
      guard let count else {
        await pipe.waitForRoom()
        continue
      }
      // Noted at once: nothing that ends this task comes between the write and the note of it.
      written += count
      while done < portion.ends.count, portion.ends[done].end <= written {
        self.position.cursor = portion.ends[done].cursor
        self.beginning = .after(portion.ends[done].cursor)
        done += 1
      }
      self.position.partial = written - (done == 0 ? 0 : portion.ends[done - 1].end)
      await self.note()
      self.progress += 1
    }
  }

  /// Keeps how far the delivery is, and who holds the FIFOs. The logs themselves go on without that.
  private func note() async {
    guard let file = self.file else { return }
    let problem = file.write(self.position)
    if let problem, !self.isNoteMissing {
      self.logger.warning(
        "How far the task's logs are cannot be noted: after a restart of the plugin lines will be repeated.",
        metadata: ["error": "\(problem)"])
    }
    self.isNoteMissing = problem != nil
    guard problem == nil, let holder = self.unnotedHolder else { return }
    self.unnotedHolder = nil
    await holder.detach()
  }
}
