import CLinux
import Foundation
import Glibc
import Logging
import Synchronization

/// The records of tasks on this host, and which of them are this plugin's.
///
/// A task has two files in the directory, named for its ID: its ``TaskRecord``, and its claim, which names the plugin
/// that acts for it (``TaskClaim``). What cannot be done with them is a warning, and no obstacle to a task.
final class TaskRecords: Sendable {
  /// Why a task cannot be claimed.
  enum ClaimFailure: Error {
    /// This plugin has it.
    case ownTask
    /// Another process of the plugin has taken it in the same moment.
    case takenMeanwhile
  }

  private let directory: RecordDirectory?
  private let handOverLimit: Duration
  private let logger: Logger
  private let claims = Mutex<[String: TaskClaim]>([:])
  /// Whether something has failed since a record was written last.
  private let isFailing = Mutex(false)

  /// How often to look whether another plugin has taken a task.
  private static let checkInterval: Duration = .milliseconds(250)
  /// How often to remove the records of allocations that are gone.
  private static let sweepInterval: Duration = .seconds(600)
  private static let handOverPollInterval: Duration = .milliseconds(10)

  /// - Parameters:
  ///   - directory: the plugin's directory; nil if no records are to be kept.
  ///   - handOverLimit: how long a plugin whose task is taken may take to let go of it: it can be stopped, or hang.
  init(in directory: String?, handOverLimit: Duration = .seconds(5), logger: Logger) {
    self.handOverLimit = handOverLimit
    self.directory = directory.map { RecordDirectory(path: $0) }
    self.logger = logger
  }

  /// Whether there are records.
  var areKept: Bool { self.directory != nil }

  private static func recordName(of task: String) -> String { SHA256.hexadecimal(of: task.utf8) + ".json" }
  private static func claimName(of task: String) -> String { SHA256.hexadecimal(of: task.utf8) + ".claim" }

  /// Does something in the directory. A failure is logged once, until a record is written again.
  ///
  /// - Returns: nil if that fails.
  private func attempt<R>(_ body: (_ directory: Int32) throws -> R) -> R? {
    guard let directory = self.directory else { return nil }
    do {
      return try directory.open(making: true, body)
    } catch {
      let isNews = self.isFailing.withLock { isFailing in
        defer { isFailing = true }
        return !isFailing
      }
      if isNews {
        self.logger.warning(
          """
          Cannot keep the records of tasks: after a restart of the plugin, tasks that were destroyed may come back, and \
          two plugins may have one task.
          """, metadata: ["error": "\(error)"])
      }
      return nil
    }
  }

  // MARK: Records

  /// The record of a task; nil if there is none that can be used.
  func read(_ task: String) -> TaskRecord? {
    let name = Self.recordName(of: task)
    guard let bytes = self.attempt({ try RecordDirectory.read(name, in: $0) }) ?? nil else { return nil }
    guard let record = TaskRecord(bytes), Array(record.task.utf8) == Array(task.utf8) else {
      self.logger.warning(
        "The record of the task cannot be read", metadata: ["task_id": "\(task)", "file": "\(name)"])
      return nil
    }
    return record
  }

  func write(_ record: TaskRecord) {
    let name = Self.recordName(of: record.task)
    guard self.attempt({ try RecordDirectory.replace(name, by: record.encoded, in: $0) }) != nil else {
      return
    }
    self.isFailing.withLock { $0 = false }
  }

  func remove(_ task: String) {
    let name = Self.recordName(of: task)
    _ = self.attempt { unlinkat($0, name, 0) }
  }

  /// Removes the records of tasks whose allocation's directory is gone, unless somebody has the task.
  func sweep() {
    guard let directory = self.directory else { return }
    // Without a directory there is nothing to remove; what else is wrong with it is told when a record is written.
    try? directory.open(making: false) { directory in
      for name in RecordDirectory.names(in: directory) where name.hasSuffix(".json") {
        guard let bytes = try? RecordDirectory.read(name, in: directory), let record = TaskRecord(bytes),
          let allocation = record.allocationDirectory, Self.isGone(allocation)
        else { continue }
        let claim = name.dropLast(".json".count) + ".claim"
        let descriptor = (try? RecordDirectory.openFile(String(claim), O_RDWR, in: directory)) ?? nil
        defer { if let descriptor { close(descriptor) } }
        if let descriptor, flock(descriptor, LOCK_EX | LOCK_NB) != 0 { continue }
        for name in [String(claim), name, name + ".new"] { unlinkat(directory, name, 0) }
      }
    }
  }

  private static func isGone(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) != 0 && (errno == ENOENT || errno == ENOTDIR)
  }

  // MARK: Claims

  /// Lets go of tasks that another plugin has taken, and removes old records, until cancelled.
  func run() async {
    var nextSweep = ContinuousClock.now + Self.sweepInterval
    while (try? await Task.sleep(for: Self.checkInterval)) != nil {
      for claim in self.claims.withLock({ Array($0.values) }) { _ = claim.isHeld }
      guard ContinuousClock.now >= nextSweep else { continue }
      self.sweep()
      nextSweep = .now + Self.sweepInterval
    }
  }

  /// Makes a task this plugin's. Another one that has it is waited for until it has let go of it, but not for long.
  ///
  /// - Throws: ``ClaimFailure``; `CancellationError`.
  func claim(_ task: String) async throws -> TaskClaim {
    let process = PluginProcess.current()
    let text = Self.text(of: process)
    let name = Self.claimName(of: task)
    // In its place as long as the claim is not made.
    let placeholder = TaskClaim(nil) { _ in }
    while let own = self.setClaim(of: task, ifNone: placeholder) {
      guard own.isReleased else { throw ClaimFailure.ownTask }
      // What was under way for it ends now.
      try await Task.sleep(for: Self.handOverPollInterval)
    }
    do {
      let descriptor = try await self.lock(name, text, task)
      let claim = TaskClaim(descriptor, text) { [weak self] isUseless in
        self?.claims.withLock { _ = $0.removeValue(forKey: task) }
        if isUseless { _ = self?.attempt { unlinkat($0, name, 0) } }
      }
      self.claims.withLock { $0[task] = claim }
      return claim
    } catch {
      self.claims.withLock { _ = $0.removeValue(forKey: task) }
      throw error
    }
  }

  /// - Returns: the claim that there is; nil if there was none.
  private func setClaim(of task: String, ifNone claim: TaskClaim) -> TaskClaim? {
    self.claims.withLock { claims in
      if let own = claims[task] { return own }
      claims[task] = claim
      return nil
    }
  }

  /// The content of a claim's file: always of one length, so that one replaces another whole.
  private static func text(of process: PluginProcess) -> [UInt8] {
    let size = 256
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    var bytes = [UInt8]((try? encoder.encode(process)) ?? Data())
    bytes += [UInt8](repeating: UInt8(ascii: " "), count: max(0, size - 1 - bytes.count))
    return bytes.prefix(size - 1) + [UInt8(ascii: "\n")]
  }

  /// Writes this plugin's name into a claim's file and locks it.
  ///
  /// - Returns: nil if that is not possible.
  private func lock(_ name: String, _ text: [UInt8], _ task: String) async throws -> Int32? {
    let deadline = ContinuousClock.now + self.handOverLimit
    while true {
      guard let descriptor = self.attempt({ try Self.takeClaim(name, text, in: $0) }) else { return nil }
      do {
        guard try await self.waitForLock(of: descriptor, until: deadline, task) else {
          close(descriptor)
          return self.attempt { try Self.replaceClaim(name, text, in: $0) }
        }
        switch self.attempt({ Self.isUnchanged(descriptor, name, text, in: $0) }) {
        case .unchanged?: return descriptor
        case .taken?: throw ClaimFailure.takenMeanwhile
        // Whoever had it has removed the file.
        case .removed?: close(descriptor)
        case nil:
          close(descriptor)
          return nil
        }
      } catch {
        close(descriptor)
        throw error
      }
    }
  }

  /// From now on the plugin that has the task sees that it is taken.
  private static func takeClaim(_ name: String, _ text: [UInt8], in directory: Int32) throws -> Int32 {
    guard let descriptor = try RecordDirectory.openFile(name, O_RDWR | O_CREAT, in: directory) else {
      return -1
    }
    guard pwrite(descriptor, text, text.count, 0) == text.count else {
      close(descriptor)
      throw RecordDirectory.Failure(description: "Cannot write '\(name)'")
    }
    return descriptor
  }

  /// Waits until nobody else has locked a claim.
  ///
  /// - Returns: false if somebody has at the deadline.
  private func waitForLock(
    of descriptor: Int32, until deadline: ContinuousClock.Instant, _ task: String
  ) async throws -> Bool {
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      guard ContinuousClock.now < deadline else {
        self.logger.warning(
          """
          Another process of the plugin has the task and does not let go of it: it may be stopped, or hang. This one \
          goes on.
          """, metadata: ["task_id": "\(task)"])
        return false
      }
      try await Task.sleep(for: Self.handOverPollInterval)
    }
    return true
  }

  private enum ClaimState { case unchanged, taken, removed }

  private static func isUnchanged(
    _ descriptor: Int32, _ name: String, _ text: [UInt8], in directory: Int32
  ) -> ClaimState {
    var (own, found) = (stat(), stat())
    guard fstat(descriptor, &own) == 0, fstatat(directory, name, &found, AT_SYMLINK_NOFOLLOW) == 0,
      own.st_ino == found.st_ino
    else { return .removed }
    var bytes = [UInt8](repeating: 0, count: text.count)
    return pread(descriptor, &bytes, bytes.count, 0) == bytes.count && bytes == text ? .unchanged : .taken
  }

  /// Puts a new file in the place of a claim's that stays locked. The lock on the new one is this plugin's.
  private static func replaceClaim(_ name: String, _ text: [UInt8], in directory: Int32) throws -> Int32 {
    let new = name + ".new"
    unlinkat(directory, new, 0)
    let descriptor = try self.takeClaim(new, text, in: directory)
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0, renameat(directory, new, directory, name) == 0 else {
      close(descriptor)
      throw RecordDirectory.Failure(description: "Cannot replace '\(name)'")
    }
    return descriptor
  }
}
