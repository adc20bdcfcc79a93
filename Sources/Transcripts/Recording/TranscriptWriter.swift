import Dispatch
import Foundation
import Glibc
public import Logging
import Processes
import Synchronization
import Systemd

/// Writes what passes between the driver and systemd to a transcript.
///
/// Each record is in the file before the command goes on, so that a crash of this process loses at most the last line.
/// A failure never becomes the command's: the recording stops, and the log says so once.
public final class TranscriptWriter: Sendable {
  /// Where a transcript goes.
  public enum Destination: Sendable, Hashable {
    /// To a new file of no more than so many bytes; then the recording stops.
    case file(String, limit: Int = TranscriptWriter.fileLimit)
    /// To files in a directory, the oldest of which are removed so that all of them, those of other recordings included,
    /// take no more than so many bytes.
    case directory(String, limit: Int)
  }

  /// The most bytes of a transcript in one file.
  public static let fileLimit = 256 << 20

  /// How many files a directory's limit is divided into.
  private static let filesPerDirectory = 8

  /// How long a write may take until the recording is given up, rather than the commands.
  private static let patience = DispatchTimeInterval.seconds(5)

  private struct State {
    var lastID: UInt64 = 0
    var lastTicket: UInt64 = 0
    var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
    var writtenCount: UInt64 = 0
    var isWatched = false
    var isStopped = false
  }

  private struct Place {
    var header: TranscriptHeader
    var file: TranscriptFile
    var size = 0
    /// The commands whose start is written and whose end is not, by their identifiers.
    var running: [UInt64: TranscriptRecord] = [:]
  }

  private let destination: Destination
  private let directory: TranscriptDirectory?
  private let logger: Logger
  private let start = ContinuousClock.now
  private let state = Mutex(State())
  /// Used on the queue only.
  private let place: Mutex<Place>
  private let queue = DispatchQueue(label: "systemd.transcript")

  /// Begins a recording.
  ///
  /// - Parameters:
  ///   - plugin: the version of the plugin.
  ///   - commandPrefix: what is put before every command.
  ///   - logger: is told if the recording stops.
  /// - Throws: ``TranscriptError`` if the file cannot be made.
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
    self.place = Mutex(Place(header: header, file: file, size: line.count))
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

  // MARK: What is recorded

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

  /// Records what came of a command.
  func record(_ outcome: TranscriptOutcome, of id: UInt64) async {
    await self.append { _, at in .end(id: id, at: at, outcome) }
  }

  /// Waits until a record is in the file.
  private func append(_ make: (inout State, UInt64) -> TranscriptRecord) async {
    await withCheckedContinuation { continuation in
      let isStopped = self.state.withLock { state in
        if state.isStopped { return true }
        // Under the lock: in the file, too, times go forward.
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
      try self.place.withLock { place in
        let line = try record.line
        try self.makeRoom(for: line.count, &place)
        try place.file.append(line)
        place.size += line.count
        switch record {
        case .start(let id, let at, let command, _):
          place.running[id] = .start(id: id, at: at, command, isContinued: true)
        case .end(let id, _, _):
          place.running[id] = nil
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

  private func makeRoom(for count: Int, _ place: inout Place) throws {
    switch self.destination {
    case .file(_, let limit):
      if place.size + count > limit {
        throw TranscriptError("the file has reached its limit of \(limit) bytes")
      }
      return
    case .directory(_, let limit):
      guard place.size + count > min(limit / Self.filesPerDirectory, Self.fileLimit) else { return }
    }
    place.header.part += 1
    place.file = try Self.makeFile(self.destination, self.directory, place.header)
    // Each file can be understood alone.
    let running = place.running.sorted { $0.key < $1.key }.map(\.value)
    let lines = try ([.header(place.header)] + running).map { try $0.line }
    for line in lines { try place.file.append(line) }
    place.size = lines.reduce(0) { $0 + $1.count }
  }

  /// Gives the recording up if nothing was written for a while.
  private func watch(after count: UInt64) {
    DispatchQueue.global().asyncAfter(deadline: .now() + Self.patience) { [weak self] in
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
