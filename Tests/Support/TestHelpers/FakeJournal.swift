import AsyncPrimitives
package import Processes
import Synchronization

/// A journal of this test's own, printed by a journalctl of its own.
package final class FakeJournal: CommandRunner {
  private struct Entry {
    let unit: String
    let message: String
    let isFromManager: Bool
  }

  private struct State {
    var entries: [Entry] = []
    var isBroken = false
    var commands: [String] = []
    var followerCount = 0
  }

  private let state = Mutex(State())
  private let changed = AsyncSignal()

  /// Makes an empty journal.
  package init() {}

  /// The commands that were run, without the program.
  package var commands: [String] { self.state.withLock(\.commands) }

  /// How many follow it now.
  package var followerCount: Int { self.state.withLock(\.followerCount) }

  /// Adds entries of a unit.
  package func append(_ unit: String, _ messages: String...) {
    self.append(messages, of: unit, isFromManager: false)
  }

  /// Adds entries of the service manager about a unit.
  package func appendFromManager(about unit: String, _ messages: String...) {
    self.append(messages, of: unit, isFromManager: true)
  }

  private func append(_ messages: [String], of unit: String, isFromManager: Bool) {
    let entries = messages.map { Entry(unit: unit, message: $0, isFromManager: isFromManager) }
    self.state.withLock { $0.entries += entries }
    self.changed.send()
  }

  /// Whether followers fail, those that follow now as well.
  package func setBroken(_ isBroken: Bool) {
    self.state.withLock { $0.isBroken = isBroken }
    self.changed.send()
  }

  /// Answers as journalctl does.
  package func run(_ command: Command, onOutput: ([UInt8]) async throws -> Void) async throws -> CommandResult
  {
    func values(_ key: String) -> [String] {
      command.arguments.filter { $0.hasPrefix("\(key)=") }.map { String($0.dropFirst(key.count + 1)) }
    }
    let (units, subjects) = (values("--unit"), values("UNIT"))
    func isWanted(_ entry: Entry) -> Bool {
      subjects.isEmpty
        ? units.isEmpty || units.contains(entry.unit) : entry.isFromManager && subjects.contains(entry.unit)
    }
    let follows = command.arguments.contains("--follow")
    var next = self.state.withLock { state in
      state.commands.append(command.arguments.joined(separator: " "))
      if follows { state.followerCount += 1 }
      return values("--lines").isEmpty ? 0 : max(state.entries.count - 1, 0)
    }
    defer { if follows { self.state.withLock { $0.followerCount -= 1 } } }
    if let cursor = values("--cursor").first?.split(separator: "=").last {
      // The cursor of the present comes after all entries.
      next = min((Int(cursor, radix: 16) ?? 0) - 1, self.state.withLock(\.entries.count))
    }
    while true {
      let changeCount = self.changed.count
      let (entries, isBroken) = self.state.withLock { (Array($0.entries[next...]), $0.isBroken) }
      if follows, isBroken {
        return CommandResult(termination: .exited(1), standardError: Array("broken".utf8), duration: .zero)
      }
      var output = ""
      for entry in entries {
        next += 1
        if isWanted(entry) { output += Self.line(next, entry) }
      }
      if !output.isEmpty { try await onOutput(Array(output.utf8)) }
      guard follows else { break }
      try await self.changed.wait(after: changeCount)
    }
    return CommandResult(termination: .exited(0), standardError: [], duration: .zero)
  }

  private static func line(_ number: Int, _ entry: Entry) -> String {
    let origin =
      entry.isFromManager
      ? "\"_SYSTEMD_UNIT\":\"init.scope\",\"_PID\":\"1\",\"UNIT\":\"\(entry.unit)\""
      : "\"_SYSTEMD_UNIT\":\"\(entry.unit)\""
    return "{\"__CURSOR\":\"s=a;i=\(String(number, radix: 16))\",\"__REALTIME_TIMESTAMP\":\"1\","
      + "\"__MONOTONIC_TIMESTAMP\":\"\(number)\",\"_BOOT_ID\":\"b\",\(origin),"
      + "\"MESSAGE\":\"\(entry.message)\"}\n"
  }
}
