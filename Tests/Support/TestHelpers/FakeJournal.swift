import AsyncPrimitives
package import Processes
import Synchronization
package import Systemd

/// A journal in memory, and the `journalctl` that reads it.
///
/// Entries are of the boot that this is, and of the time at which they are appended.
package final class FakeJournal: CommandRunner {
  private struct State {
    var entries: [FakeJournalEntry] = []
    var isBroken = false
    /// How many entries were removed, from the first on.
    var removedCount = 0
    /// The sequence of new entries.
    var sequence = "a"
    /// Followers that have begun earlier hear of nothing.
    var moveCount = 0
    /// The first entry that these hear of again; nil if there is none.
    var firstElsewhere: Int?
    var isSyncHeld = false
    var commands: [String] = []
    var followerCount = 0
  }

  private let pieceSize: Int
  private let state = Mutex(State())
  private let changes = AsyncSignal()

  /// Makes an empty journal.
  ///
  /// - Parameter pieceSize: how many bytes of output are handed out at once, at most.
  package init(pieceSize: Int = 64 << 10) { self.pieceSize = pieceSize }

  // MARK: What a test does and sees

  /// The commands that were run, without the program.
  package var commands: [String] { self.state.withLock(\.commands) }

  /// How many follow it now.
  package var followerCount: Int { self.state.withLock(\.followerCount) }

  /// The cursors of all entries.
  package var cursors: [JournalCursor] { self.state.withLock { $0.entries.compactMap(\.cursor) } }

  /// When an entry was made, in microseconds since the boot.
  ///
  /// - Parameter number: counts the entries from 1 on.
  package func monotonicTime(of number: Int) -> UInt64 {
    self.state.withLock { $0.entries[number - 1].monotonic }
  }

  /// Adds lines that a process of a unit has printed.
  package func append(_ unit: String, _ messages: String..., priority: Int = 6) {
    for message in messages {
      self.append([
        "_SYSTEMD_UNIT": unit, "_TRANSPORT": "stdout", "SYSLOG_IDENTIFIER": "program",
        "PRIORITY": "\(priority)", "MESSAGE": message,
      ])
    }
  }

  /// Adds messages of the service manager about a unit.
  package func appendFromManager(about unit: String, _ messages: String...) {
    for message in messages {
      self.append(["_SYSTEMD_UNIT": "init.scope", "_PID": "1", "UNIT": unit, "MESSAGE": message])
    }
  }

  /// Adds an entry with these fields, and those that every entry has.
  package func append(_ fields: [String: String]) {
    self.state.withLock { state in
      state.entries.append(
        FakeJournalEntry(number: state.entries.count + 1, sequence: state.sequence, fields))
    }
    self.changes.send()
  }

  /// Removes the oldest entries, as journald does by whole files.
  ///
  /// - Parameter count: how many entries are left.
  package func vacuum(leaving count: Int) {
    self.state.withLock { $0.removedCount = max($0.removedCount, $0.entries.count - count) }
  }

  /// Moves the journal: its entries have other numbers now, and those that follow it are not told of new ones.
  ///
  /// - Parameter sequence: names the sequence of these numbers; a hexadecimal number.
  package func move(to sequence: String) {
    self.state.withLock { state in
      state.sequence = sequence
      state.moveCount += 1
      state.firstElsewhere = nil
      for index in state.entries.indices { state.entries[index].sequence = sequence }
    }
    self.changes.send()
  }

  /// Goes on with new entries in another place, of which all that follow the journal hear.
  package func goOn(as sequence: String) {
    self.state.withLock { state in
      state.sequence = sequence
      state.firstElsewhere = state.entries.count
    }
  }

  /// Lets `journalctl --sync` wait, or go on.
  package func holdSync(_ isHeld: Bool) {
    self.state.withLock { $0.isSyncHeld = isHeld }
    self.changes.send()
  }

  /// Whether followers fail, those that follow now as well.
  package func setBroken(_ isBroken: Bool) {
    self.state.withLock { $0.isBroken = isBroken }
    self.changes.send()
  }

  // MARK: journalctl

  /// Answers as journalctl does.
  package func run(_ command: Command, onOutput: ([UInt8]) async throws -> Void) async throws -> CommandResult
  {
    let query = Query(command.arguments)
    self.state.withLock { state in
      state.commands.append(command.arguments.joined(separator: " "))
      if query.follows { state.followerCount += 1 }
    }
    defer { if query.follows { self.state.withLock { $0.followerCount -= 1 } } }
    var next = 0
    let moveCount = self.state.withLock(\.moveCount)
    while query.isSync {
      let count = self.changes.count
      guard self.state.withLock(\.isSyncHeld) else { break }
      try await self.changes.wait(after: count)
    }
    while !query.isSync {
      let count = self.changes.count
      let (entries, isBroken) = self.state.withLock { state -> ([FakeJournalEntry], Bool) in
        next = max(next, state.removedCount)
        if query.follows, state.moveCount != moveCount {
          guard let first = state.firstElsewhere else { return ([], state.isBroken) }
          next = max(next, first)
        }
        return (Array(state.entries[next...]), state.isBroken)
      }
      if query.follows, isBroken {
        return CommandResult(termination: .exited(1), standardError: Array("broken".utf8), duration: .zero)
      }
      next += entries.count
      try await self.print(query.select(entries), query.outputFields, onOutput)
      guard query.follows else { break }
      try await self.changes.wait(after: count)
    }
    return CommandResult(termination: .exited(0), standardError: [], duration: .zero)
  }

  private func print(
    _ entries: [FakeJournalEntry], _ fields: Set<String>?, _ onOutput: ([UInt8]) async throws -> Void
  ) async throws {
    let bytes = Array(entries.map { $0.line(fields) }.joined().utf8)
    for start in stride(from: 0, to: bytes.count, by: self.pieceSize) {
      try await onOutput(Array(bytes[start..<min(start + self.pieceSize, bytes.count)]))
    }
  }

  /// What one command asks for.
  private struct Query {
    let isSync: Bool
    let follows: Bool
    let outputFields: Set<String>?
    private let units: [String]
    private let cursor: String?
    private let since: Double?
    private let lines: Int?
    private let isOfManager: Bool
    private let subjects: [String]

    init(_ arguments: [String]) {
      func values(_ option: String) -> [String] {
        arguments.filter { $0.hasPrefix("--\(option)=") }.map { String($0.dropFirst(option.count + 3)) }
      }
      self.isSync = arguments.contains("--sync")
      self.follows = arguments.contains("--follow")
      self.outputFields = values("output-fields").first.map {
        Set($0.split(separator: ",").map(String.init))
      }
      self.units = values("unit")
      self.cursor = values("cursor").first
      self.since = values("since").first.flatMap { Double($0.dropFirst()) }
      self.lines = values("lines").first.flatMap { Int($0) }
      self.isOfManager = arguments.contains("_PID=1")
      self.subjects = arguments.filter { $0.hasPrefix("UNIT=") }.map { String($0.dropFirst("UNIT=".count)) }
    }

    func select(_ entries: [FakeJournalEntry]) -> [FakeJournalEntry] {
      let selected = entries.filter { entry in
        if let cursor, entry.precedes(cursor) { return false }
        if let since, Double(entry.realtime) < since * 1e6 { return false }
        return (self.units.isEmpty || self.units.contains(where: entry.isOf))
          && (!self.isOfManager || entry.isOfManager)
          && (self.subjects.isEmpty || entry.subject.map { self.subjects.contains($0) } ?? false)
      }
      return self.lines.map { selected.suffix($0) } ?? selected
    }
  }
}
