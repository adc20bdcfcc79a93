import Foundation
import Logging

/// Runs commands as child processes.
///
/// The child's environment is this process's, with a fixed locale, time zone and no pager, so that output can be
/// parsed. It runs in `/` and leads a process group of its own. At its time limit, on cancellation and when its
/// output is refused the whole group gets SIGTERM, and SIGKILL half a second later. Descendants that outlive the
/// child itself are not waited for; what they write later is not read.
public struct ProcessCommandRunner: CommandRunner {
  private let environment: [[UInt8]]
  private let logger: Logger

  /// Makes a runner.
  ///
  /// - Parameters:
  ///   - logger: gets one line at debug level for each command that has ended.
  ///   - environment: what children inherit, apart from the variables that are set for them.
  public init(logger: Logger, environment: [String: String] = ProcessInfo.processInfo.environment) {
    self.logger = logger
    let defaults = ["PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/"]
    let fixed = [
      "LC_ALL": "C.UTF-8", "TZ": "UTC", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0", "SYSTEMD_URLIFY": "0",
    ]
    self.environment = defaults.merging(environment) { $1 }.merging(fixed) { $1 }
      .map { Array("\($0.key)=\($0.value)".utf8) }
  }

  /// Runs a command as a child process.
  public func run(_ command: Command, onOutput: ([UInt8]) async throws -> Void) async throws -> CommandResult
  {
    try Task.checkCancellation()
    let start = ContinuousClock.now
    do {
      let child = try await ChildProcess.start(command, environment: environment)
      let outcome = await outcome(of: child, command, since: start, onOutput)
      child.close()
      let result = try outcome.get()
      log(command, since: start, "\(result.termination)")
      return result
    } catch {
      log(command, since: start, "\(error)")
      throw error
    }
  }

  private func outcome(
    of child: ChildProcess, _ command: Command, since start: ContinuousClock.Instant,
    _ onOutput: ([UInt8]) async throws -> Void
  ) async -> Result<CommandResult, any Error> {
    await withTaskCancellationHandler {
      async let standardError = Self.lastBytes(of: child.standardError)
      async let end = child.waitForEnd()
      async let _ = Self.end(child, after: command.timeLimit)
      var refusal: (any Error)?
      do {
        while let chunk = await child.standardOutput.next() { try await onOutput(chunk) }
      } catch {
        refusal = error
        child.end(because: .outputRefused)
      }
      let (termination, killReason) = await end
      let errorBytes = await standardError
      if let refusal { return .failure(refusal) }
      switch killReason {
      case .cancelled:
        return .failure(CancellationError())
      case .timedOut:
        return .failure(CommandError.timedOut(command, standardError: DisplayText(errorBytes).text))
      case .outputRefused, nil:
        guard let termination else {
          return .failure(
            CommandError.spawnFailed(
              command, reason: "its exit status is lost: another part of this process waits for all children")
          )
        }
        return .success(
          CommandResult(
            termination: termination, standardError: errorBytes, duration: ContinuousClock.now - start))
      }
    } onCancel: {
      child.end(because: .cancelled)
    }
  }

  private static func end(_ child: ChildProcess, after limit: Duration?) async {
    guard let limit else { return }
    guard (try? await Task.sleep(for: limit)) != nil else { return }
    child.end(because: .timedOut)
  }

  private static func lastBytes(of descriptor: ReadableDescriptor) async -> [UInt8] {
    let limit = CommandResult.standardErrorLimit
    var bytes: [UInt8] = []
    while let chunk = await descriptor.next() {
      bytes += chunk
      // Cut rarely, so that each byte is moved once on average.
      if bytes.count > 4 * limit { bytes.removeFirst(bytes.count - limit) }
    }
    return bytes.suffix(limit)
  }

  private func log(
    _ command: Command, since start: ContinuousClock.Instant, _ outcome: @autoclosure () -> String
  ) {
    logger.debug(
      "\(command)",
      metadata: [
        "outcome": "\(outcome())", "milliseconds": "\((ContinuousClock.now - start) / .milliseconds(1))",
      ])
  }
}
