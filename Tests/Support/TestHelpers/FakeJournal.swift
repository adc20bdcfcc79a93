import AsyncPrimitives
package import Processes
import Synchronization

/// A journal of this test's own, told by a journalctl of its own.
package final class FakeJournal: CommandRunner {
  struct Entry {
    let unit: String
    let message: String
  }

  private struct State {
    var entries: [Entry] = []
    var isBroken = false
    var change = Promise<Void>()
    /// The commands that were run, without the program.
    package var commands: [String] = []
    var followerCount = 0
  }

  private let state = Mutex(State())

  /// Makes an empty journal.
  package init() {}

  /// The commands that were run, without the program.
  package var commands: [String] { self.state.withLock(\.commands) }

  /// How many follow it now.
  package var followerCount: Int { self.state.withLock(\.followerCount) }

  /// Adds entries of a unit.
  package func append(_ unit: String, _ messages: String...) {
    self.change { state in state.entries += messages.map { Entry(unit: unit, message: $0) } }
  }

  /// Whether followers fail, those that follow now as well.
  package func setBroken(_ isBroken: Bool) {
    self.change { state in state.isBroken = isBroken }
  }

  private func change(_ body: (inout sending State) -> Void) {
    self.state.withLock { state in
      body(&state)
      state.change.fulfil(())
      state.change = Promise()
    }
  }

  /// Answers as journalctl does.
  package func run(_ command: Command, onOutput: ([UInt8]) async throws -> Void) async throws -> CommandResult
  {
    func values(_ option: String) -> [String] {
      command.arguments.filter { $0.hasPrefix("--\(option)=") }.map { String($0.dropFirst(option.count + 3)) }
    }
    let units = values("unit")
    let follows = command.arguments.contains("--follow")
    var next = self.state.withLock { state in
      state.commands.append(command.arguments.joined(separator: " "))
      if follows { state.followerCount += 1 }
      return values("lines").isEmpty ? 0 : max(state.entries.count - 1, 0)
    }
    defer { if follows { self.state.withLock { $0.followerCount -= 1 } } }
    if let cursor = values("cursor").first?.split(separator: "=").last {
      next = (Int(cursor, radix: 16) ?? 0) - 1
    }
    while true {
      let (entries, isBroken, change) = self.state.withLock { state in
        (Array(state.entries[next...]), state.isBroken, state.change)
      }
      if follows, isBroken {
        return CommandResult(termination: .exited(1), standardError: Array("broken".utf8), duration: .zero)
      }
      for entry in entries {
        next += 1
        guard units.isEmpty || units.contains(entry.unit) else { continue }
        try await onOutput(Array(Self.line(next, entry).utf8))
      }
      guard follows else { break }
      try await change.value
    }
    return CommandResult(termination: .exited(0), standardError: [], duration: .zero)
  }

  private static func line(_ number: Int, _ entry: Entry) -> String {
    "{\"__CURSOR\":\"s=a;i=\(String(number, radix: 16))\",\"__REALTIME_TIMESTAMP\":\"1\","
      + "\"__MONOTONIC_TIMESTAMP\":\"1\",\"_BOOT_ID\":\"b\",\"_SYSTEMD_UNIT\":\"\(entry.unit)\","
      + "\"MESSAGE\":\"\(entry.message)\"}\n"
  }
}
