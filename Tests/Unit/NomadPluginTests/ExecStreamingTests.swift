import SwiftProtobuf
import FoundationEssentials
import GRPCCore
import Synchronization
import Testing

@testable import NomadPlugin

@Suite(.timeLimit(.minutes(1))) struct ExecStreamingTests {
  private let request = ExecRequest(taskID: "t", command: ["/bin/cat", "-n"], tty: true)

  /// Sends messages as they are and takes the answers as they are.
  private func exchange(
    _ driver: ExecDriver, _ messages: [WireExecTaskStreamingRequest]
  ) async throws -> [WireExecTaskStreamingResponse] {
    try await withPlugin(driver) { connection in
      try await WireDriver.Client(wrapping: connection).execTaskStreaming { writer in
        for message in messages { try await writer.write(message) }
      } onResponse: { response in
        var answers: [WireExecTaskStreamingResponse] = []
        for try await answer in response.messages { answers.append(answer) }
        return answers
      }
    }
  }

  private func seen(_ messages: [WireExecTaskStreamingRequest]) async throws -> [ExecInput] {
    let inputs = Mutex<[ExecInput]>([])
    let driver = ExecDriver { _, input, _ in
      for try await item in input { inputs.withLock { $0.append(item) } }
      return ExitResult(exitCode: 0)
    }
    _ = try await exchange(driver, [request.wire] + messages)
    return inputs.withLock { $0 }
  }

  @Test func thereAndBack() async throws {
    let requests = Mutex<[ExecRequest]>([])
    let driver = ExecDriver { request, input, output in
      requests.withLock { $0.append(request) }
      for try await item in input {
        switch item {
        case .stdin(let bytes): try await output(.stdout(bytes))
        case .stdinClosed: try await output(.stderr(Array("closed".utf8)))
        case .terminalSize(let rows, let columns): try await output(.stderr(Array("\(rows)x\(columns)".utf8)))
        }
      }
      return ExitResult(exitCode: 130, signal: 2, oomKilled: true)
    }
    let inputs: [ExecInput] = [
      .terminalSize(rows: 24, columns: 80), .stdin(Array("hello".utf8)), .stdin([0, 0xff]), .stdinClosed,
    ]
    let outputs = Mutex<[ExecOutput]>([])
    let result = try await withPluginClient(driver) { client in
      let (stream, feed) = AsyncStream<ExecInput>.makeStream()
      for input in inputs { feed.yield(input) }
      feed.finish()
      return try await client.execTaskStreaming(request, input: stream) { item in
        outputs.withLock { $0.append(item) }
      }
    }
    #expect(result == ExitResult(exitCode: 130, signal: 2, oomKilled: true))
    #expect(requests.withLock { $0 } == [request])
    #expect(
      outputs.withLock { $0 } == [
        .stderr(Array("24x80".utf8)), .stdout(Array("hello".utf8)), .stdout([0, 0xff]),
        .stderr(Array("closed".utf8)),
      ])
  }

  @Test func theExitComesLast() async throws {
    let driver = ExecDriver { _, _, output in
      // As drivers do: a task for each of the two streams.
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number: UInt8 in 0..<50 {
          group.addTask { try await output(.stdout([number])) }
          group.addTask { try await output(.stderr([number])) }
        }
        try await group.waitForAll()
      }
      try await output(.stdout([]))
      return ExitResult(exitCode: 7)
    }
    let answers = try await exchange(driver, [request.wire])
    #expect(answers.count == 103)
    #expect(answers.dropLast(3).allSatisfy { !$0.exited && !$0.stdout.close && !$0.stderr.close })
    #expect(Set(answers.dropLast(3).filter(\.hasStdout).map(\.stdout.data)).count == 50)
    #expect(Set(answers.dropLast(3).filter(\.hasStderr).map(\.stderr.data)).count == 50)
    #expect(
      answers.suffix(3) == [
        .with { $0.stdout.close = true }, .with { $0.stderr.close = true },
        .with {
          $0.exited = true
          $0.result.exitCode = 7
        },
      ])
  }

  @Test func theCommandMayEndBeforeItsInput() async throws {
    let driver = ExecDriver { _, input, _ in
      for try await _ in input { break }
      return ExitResult(exitCode: 0)
    }
    let (input, feed) = AsyncStream<ExecInput>.makeStream()
    feed.yield(.stdin([1]))
    let result = try await withPluginClient(driver) {
      try await $0.execTaskStreaming(request, input: input) { _ in }
    }
    #expect(result == ExitResult(exitCode: 0))
    feed.finish()
  }

  @Test func emptyMessagesOnlyKeepTheCallAlive() async throws {
    let data = WireExecTaskStreamingRequest.with { $0.stdin.data = .init([5]) }
    #expect(try await seen([.init(), data, .init(), .with { $0.stdin = .init() }]) == [.stdin([5])])
  }

  @Test func oneMessageMayHoldSeveralThings() async throws {
    let message = WireExecTaskStreamingRequest.with {
      $0.ttySize.height = 1
      $0.ttySize.width = 2
      $0.stdin.data = .init([5])
      $0.stdin.close = true
    }
    #expect(
      try await seen([message]) == [.terminalSize(rows: 1, columns: 2), .stdin([5]), .stdinClosed])
  }

  @Test func absurdTerminalSizesAreClamped() async throws {
    let message = WireExecTaskStreamingRequest.with {
      $0.ttySize.height = .min
      $0.ttySize.width = .max
    }
    #expect(try await seen([message]) == [.terminalSize(rows: 0, columns: .max)])
  }

  @Test func nothingComesAfterTheEndOfInput() async throws {
    let close = WireExecTaskStreamingRequest.with { $0.stdin.close = true }
    let data = WireExecTaskStreamingRequest.with { $0.stdin.data = .init([5]) }
    let size = WireExecTaskStreamingRequest.with { $0.ttySize.height = 9 }
    #expect(
      try await seen([close, data, close, size]) == [.stdinClosed, .terminalSize(rows: 9, columns: 0)])
  }

  @Test func theFirstMessageMustBeTheSetup() async throws {
    let driver = ExecDriver { _, _, _ in ExitResult(exitCode: 0) }
    let data = WireExecTaskStreamingRequest.with { $0.stdin.data = .init([5]) }
    for messages in [[], [data, request.wire], [.init(), request.wire]] {
      let status = await #expect(throws: RPCError.self) { try await exchange(driver, messages) }
      #expect(status?.code == .invalidArgument)
      #expect(status?.message == "ExecTaskStreaming: the first message must have 'setup'")
    }
  }

  @Test func aSecondSetupIsRefused() async throws {
    let status = await #expect(throws: RPCError.self) { try await seen([request.wire]) }
    #expect(status?.code == .invalidArgument)
    #expect(status?.message == "ExecTaskStreaming: only the first message may have 'setup'")
  }

  @Test func aCommandIsNeeded() async throws {
    let driver = ExecDriver { _, _, _ in ExitResult(exitCode: 0) }
    let status = await #expect(throws: RPCError.self) {
      try await exchange(driver, [.with { $0.setup.taskID = "t" }])
    }
    #expect(status?.message == "ExecTaskStreaming: the request has no command")
  }

  @Test func theDriversErrorIsTheCalls() async throws {
    let driver = ExecDriver { _, _, _ in throw DriverError.taskNotFound }
    let (input, feed) = AsyncStream<ExecInput>.makeStream()
    defer { feed.finish() }
    await #expect(throws: DriverError.taskNotFound) {
      try await withPluginClient(driver) { try await $0.execTaskStreaming(request, input: input) { _ in } }
    }
  }

  @Test func aSecondReaderFindsNothing() async throws {
    let counts = Mutex<[Int]>([])
    let driver = ExecDriver { _, input, _ in
      for _ in 0..<2 {
        var count = 0
        for try await _ in input { count += 1 }
        counts.withLock { $0.append(count) }
      }
      return ExitResult(exitCode: 0)
    }
    let data = WireExecTaskStreamingRequest.with { $0.stdin.data = .init([5]) }
    _ = try await exchange(driver, [request.wire, data, data])
    #expect(counts.withLock { $0 } == [2, 0])
  }
}
