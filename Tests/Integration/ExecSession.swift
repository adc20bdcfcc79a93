import Foundation
import NomadPlugin
import NomadTestSupport
import Synchronization
import TestHelpers
import Testing

/// A command that runs in a task with its input and output as streams.
final class ExecSession: Sendable {
  private let output = Mutex<(stdout: [UInt8], stderr: [UInt8])>(([], []))
  private let feed: AsyncStream<ExecInput>.Continuation

  private init(_ feed: AsyncStream<ExecInput>.Continuation) { self.feed = feed }

  /// Runs a command while `body` runs; both must end.
  ///
  /// - Parameter size: of the terminal; without one there is none.
  @discardableResult
  static func run(
    _ command: String..., in task: RunningTask, size: (rows: UInt16, columns: UInt16)? = nil,
    _ body: @Sendable (ExecSession) async throws -> Void = { $0.closeInput() }
  ) async throws -> (result: ExitResult, stdout: String, stderr: String) {
    let (input, feed) = AsyncStream<ExecInput>.makeStream()
    let session = ExecSession(feed)
    defer { feed.finish() }
    if let size { session.send(.terminalSize(rows: size.rows, columns: size.columns)) }
    return try await withThrowingTaskGroup(of: ExitResult.self) { group in
      group.addTask {
        try await task.calls.execTaskStreaming(
          ExecRequest(taskID: task.id, command: command, tty: size != nil), input: input
        ) { item in
          session.output.withLock { output in
            switch item {
            case .stdout(let bytes): output.stdout += bytes
            case .stderr(let bytes): output.stderr += bytes
            }
          }
        }
      }
      defer { group.cancelAll() }
      try await body(session)
      guard let result = try await group.next() else { throw CancellationError() }
      return (result, session.stdout, session.stderr)
    }
  }

  func send(_ input: ExecInput) { self.feed.yield(input) }
  func type(_ text: String) { self.send(.stdin(Array(text.utf8))) }
  func closeInput() { self.send(.stdinClosed) }

  var stdout: String { String(decoding: self.output.withLock(\.stdout), as: UTF8.self) }
  var stderr: String { String(decoding: self.output.withLock(\.stderr), as: UTF8.self) }

  /// Waits until the output has a text.
  func shows(_ text: String) async throws {
    do {
      try await eventually("'\(text)' in the output") { self.stdout.contains(text) }
    } catch let error as NeverHeld {
      throw NeverHeld(what: "\(error.what): \(self.stdout)")
    }
  }
}

extension RunningTask {
  /// Runs a command in the task to its end.
  func exec(_ command: String..., timeout: Duration = .seconds(300)) async throws -> ExecResult {
    try await self.calls.execTask(self.id, command: command, timeout: timeout)
  }

  /// The output of a command in the task, without the line feed at its end.
  func output(_ command: String...) async throws -> String {
    let result = try await self.calls.execTask(self.id, command: command, timeout: .seconds(300))
    guard result.exitResult.exitCode == 0 else {
      throw NeverHeld(
        what: "\(command): \(result.exitResult) \(String(decoding: result.stderr, as: UTF8.self))")
    }
    return String(decoding: result.stdout, as: UTF8.self).trimmingCharacters(in: .newlines)
  }

  /// Expects what a command in the task writes.
  func expect(
    _ output: String, from command: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let result = try await self.calls.execTask(self.id, command: command, timeout: .seconds(300))
    #expect(
      String(decoding: result.stdout, as: UTF8.self) == output + "\n",
      "\(result.exitResult): \(String(decoding: result.stderr, as: UTF8.self))",
      sourceLocation: sourceLocation)
  }

  /// The main process of the unit.
  var mainProcess: Int32 {
    get async throws {
      let unit = try await self.inspect().driverAttributes["unit"] ?? ""
      return Int32(try await Units.property("MainPID", of: unit)) ?? 0
    }
  }
}
