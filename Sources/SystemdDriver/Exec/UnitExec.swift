import AsyncPrimitives
import ExecHelper
import Glibc
import Logging
import NomadPlugin
import Processes
import Systemd

/// Runs commands as if they belonged to a task's unit: see ``ExecContext``.
struct UnitExec: Sendable {
  let task: UnitTask
  let systemd: SystemdClient
  let logger: Logger

  /// The most that is kept of each of a collected command's two outputs, in bytes: the end. Nomad itself keeps 4 KiB
  /// of a check's output.
  static let collectedBytes = 64 << 10

  /// How long a command with a terminal waits for its size, which Nomad sends right after the setup.
  private static let sizeLimit: Duration = .milliseconds(250)

  /// This program, as it was started.
  private static let program = "/proc/self/exe"

  /// Why commands cannot be run with a configuration; nil if they can.
  static func problem(with options: PluginOptions?) -> String? {
    if options?.isExecEnabled == false {
      return "the plugin's configuration has exec { enabled = false }"
    }
    if options?.commandPrefix.isEmpty == false {
      return "the processes of units behind a command_prefix cannot be reached"
    }
    if case .replay? = options?.transcript { return "a replay has no processes of units" }
    return geteuid() == 0 ? nil : "the plugin does not run as root"
  }

  // MARK: The two kinds of calls

  /// Runs a command to its end, with nothing on its standard input.
  ///
  /// - Parameter timeout: after this the command is killed; 0 for no limit.
  /// - Throws: `DriverError`, also if the command was killed.
  func collect(_ words: [String], timeout: Duration) async throws -> ExecResult {
    let output = CollectedOutput(limit: Self.collectedBytes)
    let limit = timeout == .zero ? nil : timeout
    do {
      let end = try await self.run(
        words, .pipes(input: nil), limit: limit, onOutput: { await output.add($0) })
      return ExecResult(stdout: await output.stdout, stderr: await output.stderr, exitResult: end)
    } catch Failure.timedOut {
      let last = DisplayText((await output.stderr + output.stdout).suffix(200)).text
      throw DriverError.unrecoverable(
        "The command '\(words[0])' did not end within \(timeout) and was killed; "
          + (last.isEmpty ? "it wrote nothing." : "it wrote last: \(last)"))
    }
  }

  /// Runs a command to its end, with its input and output as streams.
  ///
  /// - Throws: `DriverError`, or what `input` or `output` throw; then the command is killed.
  func stream(
    _ request: ExecRequest, input: any AsyncSequence<ExecInput, any Error> & Sendable,
    _ output: @escaping @Sendable (ExecOutput) async throws -> Void
  ) async throws -> ExitResult {
    if request.tty {
      guard let terminal = PseudoTerminal() else { throw Self.error(of: request.command, errno) }
      defer { terminal.close() }
      let isSized = Promise<Void>()
      return try await self.feeding(input) { item in
        switch item {
        case .stdin(let bytes): _ = try await terminal.input.write(bytes)
        case .stdinClosed: _ = try await terminal.input.write([PseudoTerminal.endOfInput])
        case .terminalSize(let rows, let columns): terminal.resize(rows: rows, columns: columns)
        case nil: break
        }
        isSized.fulfil(())
      } to: {
        _ = try await isSized.value(within: Self.sizeLimit)
        let streams = ChildProcess.Streams.terminal(path: terminal.path, otherEnd: terminal.descriptor)
        return try await self.run(request.command, streams, onOutput: output)
      }
    }
    guard let pipe = InputPipe() else { throw Self.error(of: request.command, errno) }
    defer { pipe.close() }
    return try await self.feeding(input) { item in
      switch item {
      case .stdin(let bytes): _ = try await pipe.writingEnd.write(bytes)
      case .stdinClosed, nil: pipe.writingEnd.close()
      case .terminalSize: break
      }
    } to: {
      try await self.run(
        request.command, .pipes(input: pipe.readingEnd), onStart: pipe.closeReadingEnd, onOutput: output)
    }
  }

  /// Gives what comes, and the end of it as nil, to `take` until `run` has ended.
  private func feeding(
    _ input: any AsyncSequence<ExecInput, any Error> & Sendable,
    _ take: @escaping @Sendable (ExecInput?) async throws -> Void,
    to run: @escaping @Sendable () async throws -> ExitResult
  ) async throws -> ExitResult {
    try await withThrowingTaskGroup(of: ExitResult?.self) { group in
      group.addTask {
        for try await item in input { try await take(item) }
        try await take(nil)
        return nil
      }
      group.addTask { try await run() }
      // The command may end before its input.
      defer { group.cancelAll() }
      while let end = try await group.next() {
        if let end { return end }
      }
      throw CancellationError()
    }
  }

  // MARK: Running

  /// Why a command has no exit status.
  private enum Failure: Error {
    /// It was killed at its time limit.
    case timedOut
    /// It was not run, since the context could not be entered.
    case notEntered(reason: String)
  }

  /// Runs a command to its end, which is that of its own process, whatever runs on behind it.
  ///
  /// - Parameters:
  ///   - onStart: is called when the command runs.
  ///   - onOutput: is called for the two outputs at once.
  /// - Throws: `DriverError`, ``Failure/timedOut``, `CancellationError` or what `onOutput` throws. The command and what
  ///   comes from it are gone then.
  private func run(
    _ words: [String], _ streams: ChildProcess.Streams, limit: Duration? = nil,
    onStart: @escaping @Sendable () -> Void = {},
    onOutput: @escaping @Sendable (ExecOutput) async throws -> Void
  ) async throws -> ExitResult {
    var context = try await self.context(isFresh: false)
    for isLast in [false, true] {
      do {
        return try await self.run(
          words, in: context, streams, limit: limit, onStart: onStart, onOutput: onOutput)
      } catch Failure.notEntered(let reason) {
        // The unit may have been restarted a moment ago.
        let fresh = try await self.context(isFresh: true)
        guard !isLast, fresh != context else {
          throw DriverError.recoverable("Cannot run '\(words[0])' in the unit \(self.task.unit): \(reason).")
        }
        context = fresh
      } catch let error as CommandError {
        throw Self.error(of: words, error)
      }
    }
    throw CancellationError()
  }

  private func run(
    _ words: [String], in context: ExecContext, _ streams: ChildProcess.Streams, limit: Duration?,
    onStart: @Sendable () -> Void, onOutput: @escaping @Sendable (ExecOutput) async throws -> Void
  ) async throws -> ExitResult {
    let start = ContinuousClock.now
    var (command, environment) = ExecHelper.command(
      program: Self.program, words, in: context, variables: self.task.config.environment)
    command.timeLimit = limit
    var options = ChildProcess.Options(environment: environment)
    options.streams = streams
    options.reports = true
    options.terminatesDescendants = true
    let (_, exit) = try await ChildProcess.run(command, options) { child in
      var report: [UInt8] = []
      while let chunk = await child.report?.next() { report += chunk }
      guard report.isEmpty else { throw Failure.notEntered(reason: DisplayText(report).text) }
      onStart()
      try await Self.read(child, onOutput)
    }
    self.logger.debug(
      "\(command)",
      metadata: [
        "outcome": "\(exit.termination.map { "\($0)" } ?? "lost")",
        "milliseconds": "\((ContinuousClock.now - start) / .milliseconds(1))",
      ])
    if exit.reason == .timedOut { throw Failure.timedOut }
    switch exit.termination {
    case .exited(let status): return ExitResult(exitCode: status)
    case .signaled(let signal): return ExitResult(exitCode: 128 + signal, signal: signal)
    case nil:
      throw DriverError.unrecoverable(
        "The exit status of '\(words[0])' is lost: another part of the plugin waits for all children.")
    }
  }

  /// Hands on both outputs to their ends. If that fails the child is told to end.
  private static func read(
    _ child: ChildProcess, _ onOutput: @escaping @Sendable (ExecOutput) async throws -> Void
  ) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for isError in [false, true] {
        group.addTask {
          let descriptor = isError ? child.standardError : child.standardOutput
          do {
            while let chunk = await descriptor.next() {
              try await onOutput(isError ? .stderr(chunk) : .stdout(chunk))
            }
          } catch {
            // The other output ends with the child.
            child.terminate(.bodyFailed)
            throw error
          }
        }
      }
      try await group.waitForAll()
    }
  }

  // MARK: The context

  /// Where commands run now.
  ///
  /// - Parameter isFresh: whether systemd is asked even if it told of a main process before.
  private func context(isFresh: Bool) async throws -> ExecContext {
    guard self.task.isRunning else {
      throw DriverError.unrecoverable("The unit \(self.task.unit) has ended: no command can run in it.")
    }
    do {
      if !isFresh, let status = await self.task.status, let process = try await self.process(of: status) {
        return process
      }
      let status = try await self.systemd.show(self.task.unit)
      if let process = try await self.process(of: status) { return process }
      // Otherwise it is about to have one, or has had one: the host is not where its commands belong.
      guard status.activeState == .active else {
        throw DriverError.recoverable(
          "The unit \(self.task.unit) has no main process now (\(status.activeState), \(status.subState ?? "")): "
            + "no command can run in it.")
      }
      return .host(
        ExecContext.HostContext(
          properties: try await self.systemd.systemctl.properties(
            ExecContext.HostContext.properties, of: self.task.unit)))
    } catch let error as SystemdError {
      throw DriverError.recoverable("\(error)")
    }
  }

  private func process(of status: UnitStatus) async throws -> ExecContext? {
    guard let processID = status.mainProcessID, let controlGroup = status.controlGroup else { return nil }
    return .process(
      processID, controlGroup: controlGroup, userID: try await self.task.users.userID(in: status.invocationID)
    )
  }

  // MARK: Errors

  private static func error(of words: [String], _ error: CommandError) -> DriverError {
    switch error {
    case .notExecutable(_, let reason), .spawnFailed(_, let reason):
      .recoverable("Cannot start '\(words[0])': \(reason).")
    case .timedOut, .tooMuchOutput, .notRecorded:
      .unrecoverable("\(error)")
    }
  }

  private static func error(of words: [String], _ code: Int32) -> DriverError {
    .recoverable(
      "Cannot start '\(words[0])': no pipe or terminal for it: \(String(cString: strerror(code))).")
  }
}
