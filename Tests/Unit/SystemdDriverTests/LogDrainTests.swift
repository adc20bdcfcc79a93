import AsyncPrimitives
import Processes
import Synchronization
import TestHelpers
import Testing

@testable import Systemd
@testable import SystemdDriver

/// The last lines of a unit that has ended: what is waited for, and for how long.
@Suite(.timeLimit(.minutes(1))) struct LogDrainTests {
  /// What a drain has done, by name.
  private final class Record: Sendable {
    private let state = Mutex((done: [String](), progress: 0))

    var done: [String] { self.state.withLock(\.done) }
    var progress: Int { self.state.withLock(\.progress) }

    func note(_ name: String) { self.state.withLock { $0.done.append(name) } }
    func move() { self.state.withLock { $0.progress += 1 } }
  }

  private func drain(
    _ record: Record, standstillLimit: Duration = .seconds(60),
    sync: @escaping @Sendable () async throws -> Void,
    read: @escaping @Sendable () async throws -> Void = {}
  ) async -> String? {
    let work = LogDrain.Work {
      try await sync()
      record.note("sync")
    } follow: {
      record.note("follow")
      while !Task.isCancelled {
        record.move()
        try? await Task.sleep(for: .milliseconds(1))
      }
    } read: {
      record.note("read")
      try await read()
    } progress: {
      record.progress
    }
    return await LogDrain(work, standstillLimit: standstillLimit, logger: quietLogger).run()
  }

  private static func error(_ reason: SystemdError.Reason) -> SystemdError {
    SystemdError(reason, action: "journalctl --sync", units: [])
  }

  @Test func anOrdinaryEnd() async {
    let record = Record()
    #expect(await self.drain(record) {} == nil)
    #expect(record.done == ["sync", "read"])
  }

  /// Lines are delivered as they come.
  @Test func journaldIsLate() async {
    let record = Record()
    let problem = await self.drain(record) {
      while record.progress < 10 { try await Task.sleep(for: .milliseconds(1)) }
    }
    #expect(problem == nil)
    #expect(record.done == ["follow", "sync", "read"])
  }

  /// A sync that takes too long is followed by another.
  @Test func aSyncThatIsKilled() async {
    let record = Record()
    let attempts = Mutex(0)
    let problem = await self.drain(record) {
      let attempt = attempts.withLock { attempts in
        attempts += 1
        return attempts
      }
      let command = Command(executable: "/bin/journalctl", arguments: ["--sync"])
      if attempt < 25 { throw Self.error(.command(.timedOut(command, standardError: ""))) }
    }
    #expect(problem == nil)
    #expect(record.done.last == "read" && record.done.contains("sync"))
  }

  @Test func journaldDoesNotConfirmAndNothingComes() async throws {
    let record = Record()
    let work = LogDrain.Work {
      try await Task.sleep(for: .seconds(3600))
    } follow: {
      try? await Task.sleep(for: .seconds(3600))
    } read: {
      record.note("read")
    } progress: {
      0
    }
    let problem = await LogDrain(work, standstillLimit: .milliseconds(10), logger: quietLogger).run()
    #expect(problem?.contains("journald has not confirmed") == true)
    #expect(record.done == ["read"])
  }

  @Test func theCollectorTakesNothing() async {
    let record = Record()
    let problem = await self.drain(record, standstillLimit: .milliseconds(10)) {
    } read: {
      try await Task.sleep(for: .seconds(3600))
    }
    #expect(problem?.contains("log collector") == true)
  }

  @Test func whatFails() async throws {
    let record = Record()
    let problem = await self.drain(record) {
    } read: {
      throw Self.error(.other)
    }
    #expect(problem?.contains("journalctl --sync") == true)
    // Who may not ask journald is told in the agent's log.
    #expect(await self.drain(record) { throw Self.error(.accessDenied) } == nil)
  }
}
