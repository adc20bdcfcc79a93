import Logging
import NomadPlugin
import Systemd

/// Takes the lines of a unit from the journal to Nomad's log collector.
///
/// The journal is the buffer: an entry is done when the collector's FIFO has taken it, and what follows is read
/// from the cursor of the last entry done.
actor LogDelivery {
  private let unit: UnitName
  private let journalctl: Journalctl
  private let standardOutput: LogPipe
  private let standardError: LogPipe
  private let logger: Logger
  /// Nil where logs are off, or the file cannot be had.
  private let cursorFile: CursorFile?
  private var position: JournalPosition
  /// How often lines have been delivered.
  private var progress = 0

  /// How long the last lines of a unit that has ended may take without any progress, journald and a slow collector
  /// included.
  private static let patience: Duration = .seconds(5)
  /// How long to wait before journalctl is started again after it failed.
  private static let retryInterval: Duration = .seconds(1)

  /// - Parameters:
  ///   - position: where to begin.
  ///   - resumes: whether to go on where an earlier process of the plugin ended, if that is known.
  /// - Throws: `DriverError` if a FIFO is not what it should be.
  init(
    of unit: UnitName, for task: TaskConfig, from position: JournalPosition, resumes: Bool,
    journalctl: Journalctl, logger: Logger
  ) throws {
    self.unit = unit
    self.journalctl = journalctl
    self.logger = logger
    var cursorFile: CursorFile?
    if task.stdoutPath != "/dev/null" {
      do {
        cursorFile = try CursorFile(for: task)
      } catch {
        logger.warning(
          "After a restart of the plugin lines will be repeated.", metadata: ["error": "\(error)"])
      }
    }
    self.cursorFile = cursorFile
    self.position = (resumes ? cursorFile?.read() : nil).map { .after($0) } ?? position
    self.standardOutput = try LogPipe(path: task.stdoutPath, for: task)
    // Nothing tells the two streams of a unit apart; the collector waits for a writer of this one all the same.
    self.standardError = try LogPipe(path: task.stderrPath, for: task)
  }

  /// Delivers lines as they come, until the task is cancelled.
  ///
  /// - Parameter onLifecycle: called when systemd says something about the unit.
  func follow(onLifecycle: @Sendable () -> Void) async {
    while !Task.isCancelled {
      do {
        try await self.journalctl.follow(self.unit, after: self.position) { @Sendable entries in
          try await self.deliver(entries)
          if entries.contains(where: \.isLifecycle) { onLifecycle() }
        }
      } catch is CancellationError {
        return
      } catch {
        self.logger.warning(
          "The journal of the unit cannot be followed; trying again.",
          metadata: ["unit": "\(self.unit)", "error": "\(error)"])
      }
      try? await Task.sleep(for: Self.retryInterval)
    }
  }

  /// Delivers what is left when the unit has ended and nobody follows any more, and ends the logs.
  func finish() async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.deliverRest() }
      group.addTask {
        var progress = -1
        while await self.progress != progress {
          progress = await self.progress
          guard (try? await Task.sleep(for: Self.patience)) != nil else { return }
        }
      }
      await group.next()
      group.cancelAll()
    }
    await self.standardOutput.close()
    await self.standardError.close()
  }

  /// Removes what was kept for a recovery.
  nonisolated func forget() { self.cursorFile?.remove() }

  private func deliverRest() async {
    do {
      try await self.journalctl.sync()
    } catch {
      self.logger.warning("journald did not say that it has all lines.", metadata: ["error": "\(error)"])
    }
    do {
      try await self.flush()
      try await self.journalctl.read(self.unit, after: self.position) { @Sendable entries in
        try await self.deliver(entries)
      }
    } catch {
      self.logger.warning(
        "The last lines of the unit may be missing from the task's logs.",
        metadata: ["unit": "\(self.unit)", "error": "\(error)"])
    }
  }

  private func deliver(_ entries: [JournalEntry]) async throws {
    var lines: [UInt8] = []
    for entry in entries where !entry.isLifecycle {
      lines += entry.message
      lines.append(UInt8(ascii: "\n"))
    }
    guard let cursor = entries.last?.cursor else { return }
    // The pipe has them from now on, even if this is cancelled while the collector does not read.
    self.position = .after(cursor)
    try await self.standardOutput.write(lines)
    self.progress += 1
    self.cursorFile?.write(cursor)
  }

  /// Delivers the lines of a delivery that was cancelled.
  private func flush() async throws {
    try await self.standardOutput.flush()
    if case .after(let cursor) = self.position { self.cursorFile?.write(cursor) }
  }
}
