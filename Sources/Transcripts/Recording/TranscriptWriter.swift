import Dispatch
import Foundation
import Glibc
public import Logging
import Processes
import Synchronization
import Systemd

/// Writes commands and their outcomes to a transcript.
///
/// Each record is in the file before the command goes on, so a crash of this process loses at most the last
/// line. If a write fails, the command goes on: the recording stops, and that is logged once.
public final class TranscriptWriter: Sendable {
  /// Where a transcript goes.
  public enum Destination: Sendable, Hashable {
    /// To a new file. The recording stops when the file has reached its limit in bytes.
    case file(String, limit: Int = TranscriptWriter.fileLimit)
    /// To files in a directory. The oldest files, also of other recordings, are removed so that all of them
    /// stay within the limit in bytes.
    case directory(String, limit: Int)
  }

  /// The largest size of one file, in bytes.
  public static let fileLimit = 256 << 20

  /// A directory's limit, divided by this, is the limit of each file.
  private static let filesPerDirectory = 8

  /// How long a write may take before the recording stops, so that commands go on.
  private static let writeTimeout = DispatchTimeInterval.seconds(5)

  private struct State {
    var lastID: UInt64 = 0
    var lastTicket: UInt64 = 0
    var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
    var writtenCount: UInt64 = 0
    var isWatched = false
    var isStopped = false
  }

  /// The file that is being written.
  private struct CurrentFile {
    var header: TranscriptHeader
    var file: TranscriptFile
    var size = 0
    /// The starts of the commands that have not ended, by identifier.
    var running: [UInt64: TranscriptRecord] = [:]
  }

  private let destination: Destination
  private let directory: TranscriptDirectory?
  private let logger: Logger
  private let start = ContinuousClock.now
  private let state = Mutex(State())
  /// Used on the queue only.
  private let current: Mutex<CurrentFile>
  private let queue = DispatchQueue(label: "systemd.transcript")

  /// Begins a recording.
  ///
  /// - Parameters:
  ///   - plugin: the version of the plugin.
  ///   - commandPrefix: the words before every command.
  ///   - logger: gets an error if the recording stops.
  /// - Throws: ``TranscriptError`` if the file cannot be created.
  public init(to destination: Destination, plugin: String, commandPrefix: [String], logger: Logger)
    throws(TranscriptError)
  {
    self.destination = destination
    self.logger = logger
    let header = TranscriptHeader(
      plugin: plugin, recording: Self.randomHexadecimal(), part: 0,
      realtime: RealtimeTimestamp(microseconds: Linux.microseconds(CLOCK_REALTIME)),
      uptime: Linux.microseconds(CLOCK_BOOTTIME),
      bootID: BootID.current, commandPrefix: commandPrefix)
    self.directory =
      if case .directory(let path, _) = destination { try TranscriptDirectory(path) } else { nil }
    let line: [UInt8]
    let file: TranscriptFile
    do {
      file = try Self.makeFile(destination, self.directory, header)
      line = try TranscriptRecord.header(header).line
      try file.append(line)
    } catch {
      let hint = (error as? ErrorNumber)?.number == EEXIST ? " Remove it, or name another file." : ""
      throw TranscriptError("Cannot record to '\(destination.path)': \(error).\(hint)")
    }
    self.current = Mutex(CurrentFile(header: header, file: file, size: line.count))
  }

  private static func makeFile(
    _ destination: Destination, _ directory: TranscriptDirectory?, _ header: TranscriptHeader
  ) throws(ErrorNumber) -> TranscriptFile {
    guard case .directory(_, let limit) = destination, let directory else {
      return try TranscriptFile(destination.path)
    }
    directory.shrink(to: limit - limit / self.filesPerDirectory)
    return try directory.makeFile(TranscriptDirectory.name(header))
  }

  private static func randomHexadecimal() -> String {
    UUID().uuidString.replacingOccurrences(of: "-", with: "").lowercased()
  }

  // MARK: Records

  /// Records that a command is about to be run.
  ///
  /// - Returns: its identifier in the transcript.
  func recordStart(of command: Command) async -> UInt64 {
    var id: UInt64 = 0
    await self.append { state, at in
      state.lastID += 1
      id = state.lastID
      return .start(id: id, at: at, command)
    }
    return id
  }

  /// Records standard output of a command.
  func record(_ output: [UInt8], of id: UInt64) async {
    await self.append { _, at in .output(id: id, at: at, output) }
  }

  /// Records how a command ended.
  func record(_ outcome: TranscriptOutcome, of id: UInt64) async {
    await self.append { _, at in .end(id: id, at: at, outcome) }
  }

  /// Waits until a record is in the file.
  private func append(_ make: (inout State, UInt64) -> TranscriptRecord) async {
    await withCheckedContinuation { continuation in
      let isStopped = self.state.withLock { state in
        if state.isStopped { return true }
        // Under the lock, so that times go forward in the file too.
        let record = make(&state, (ContinuousClock.now - self.start).microseconds)
        state.lastTicket += 1
        let ticket = state.lastTicket
        state.waiters[ticket] = continuation
        self.queue.async { [self] in self.write(record, ticket) }
        if !state.isWatched {
          state.isWatched = true
          self.watch(after: state.writtenCount)
        }
        return false
      }
      if isStopped { continuation.resume() }
    }
  }

  // MARK: Writing

  private func write(_ record: TranscriptRecord, _ ticket: UInt64) {
    if self.state.withLock({ $0.isStopped }) { return }
    do {
      try self.current.withLock { current in
        let line = try record.line
        try self.makeRoom(for: line.count, &current)
        try current.file.append(line)
        current.size += line.count
        switch record {
        case .start(let id, let at, let command, _):
          current.running[id] = .start(id: id, at: at, command, isContinued: true)
        case .end(let id, _, _):
          current.running[id] = nil
        case .header, .output:
          break
        }
      }
    } catch {
      return self.stop(because: "\(error)")
    }
    self.state.withLock { state in
      state.writtenCount += 1
      return state.waiters.removeValue(forKey: ticket)
    }?.resume()
  }

  private func makeRoom(for count: Int, _ current: inout CurrentFile) throws {
    switch self.destination {
    case .file(_, let limit):
      if current.size + count > limit {
        throw TranscriptError("the file has reached its limit of \(limit) bytes")
      }
      return
    case .directory(_, let limit):
      guard current.size + count > min(limit / Self.filesPerDirectory, Self.fileLimit) else { return }
    }
    current.header.part += 1
    current.file = try Self.makeFile(self.destination, self.directory, current.header)
    // Each file can be understood alone.
    let running = current.running.sorted { $0.key < $1.key }.map(\.value)
    let lines = try ([.header(current.header)] + running).map { try $0.line }
    for line in lines { try current.file.append(line) }
    current.size = lines.reduce(0) { $0 + $1.count }
  }

  /// Stops the recording if nothing is written for ``writeTimeout``.
  private func watch(after count: UInt64) {
    DispatchQueue.global().asyncAfter(deadline: .now() + Self.writeTimeout) { [weak self] in
      guard let self else { return }
      let isStuck = self.state.withLock { state in
        if state.waiters.isEmpty {
          state.isWatched = false
          return false
        }
        if state.writtenCount == count { return true }
        self.watch(after: state.writtenCount)
        return false
      }
      if isStuck { self.stop(because: "a write takes too long") }
    }
  }

  private func stop(because reason: String) {
    let (isFirst, waiters) = self.state.withLock { state in
      defer {
        state.isStopped = true
        state.waiters = [:]
      }
      return (!state.isStopped, state.waiters)
    }
    if isFirst {
      self.logger.error(
        "The recording of commands has stopped.",
        metadata: ["file": "\(self.destination.path)", "error": "\(reason)"])
    }
    for waiter in waiters.values { waiter.resume() }
  }
}

extension TranscriptWriter.Destination {
  /// The path of the file or directory.
  public var path: String {
    switch self {
    case .file(let path, _), .directory(let path, _): path
    }
  }
}
