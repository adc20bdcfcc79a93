public import Foundation
public import Logging

/// Runs commands as child processes.
///
/// The child's environment is a made one: `PATH`, a fixed locale and time zone, no pager. Nothing that is set for this process
/// changes what a program of systemd's answers (`SYSTEMD_LOG_LEVEL`, `SYSTEMD_OFFLINE` …). A program that needs this process's
/// environment, such as `ssh` (``Command/inheritsEnvironment``), gets it without the variables that systemd's programs look at.
///
/// The child runs in `/` and leads a process group of its own. At its time limit, on cancellation and
/// when its output is refused the whole group gets SIGTERM, and SIGKILL half a second later. Descendants that
/// outlive the child itself are not waited for; what they write later is not read.
public struct ProcessCommandRunner: CommandRunner {
  private let environment: [[UInt8]]
  private let inheritedEnvironment: [[UInt8]]
  private let logger: Logger

  /// Makes a runner.
  ///
  /// - Parameters:
  ///   - logger: gets one line at debug level for each command that has ended.
  ///   - environment: this process's environment.
  public init(logger: Logger, environment: [String: String] = ProcessInfo.processInfo.environment) {
    self.logger = logger
    let fixed = [
      "LC_ALL": "C.UTF-8", "TZ": "UTC", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0", "SYSTEMD_URLIFY": "0",
    ]
    let path = ["PATH": environment["PATH"] ?? Executable.defaultPath]
    self.environment = Self.lines(path.merging(fixed) { $1 })
    let inherited = environment.filter { name, _ in
      !Self.namesOfSystemd.contains(name) && !Self.prefixesOfSystemd.contains { name.hasPrefix($0) }
    }
    self.inheritedEnvironment = Self.lines(
      ["HOME": "/"].merging(path) { $1 }.merging(inherited) { $1 }.merging(fixed) { $1 })
  }

  /// The variables that programs of systemd's look at, or that systemd sets for one process alone.
  private static let namesOfSystemd: Set = ["NOTIFY_SOCKET"]
  private static let prefixesOfSystemd = ["SYSTEMD_", "DBUS_", "LISTEN_"]

  private static func lines(_ environment: [String: String]) -> [[UInt8]] {
    environment.map { Array("\($0.key)=\($0.value)".utf8) }
  }

  /// Runs a command as a child process.
  public func run(_ command: Command, onOutput: ([UInt8]) async throws -> Void) async throws -> CommandResult
  {
    let start = ContinuousClock.now
    do {
      let (standardError, exit) = try await ChildProcess.run(
        command,
        ChildProcess.Options(
          environment: command.inheritsEnvironment ? self.inheritedEnvironment : self.environment)
      ) { child in
        async let standardError = Self.lastBytes(of: child.standardError)
        do {
          while let chunk = await child.standardOutput.next() { try await onOutput(chunk) }
        } catch {
          // Standard error ends with the child.
          child.terminate(.bodyFailed)
          throw error
        }
        return await standardError
      }
      guard exit.reason != .timedOut else {
        throw CommandError.timedOut(command, standardError: DisplayText(standardError).text)
      }
      guard let termination = exit.termination else {
        throw CommandError.spawnFailed(
          command, reason: "its exit status is lost: another part of this process waits for all children")
      }
      self.log(command, since: start, "\(termination)")
      return CommandResult(
        termination: termination, standardError: standardError, duration: ContinuousClock.now - start)
    } catch {
      self.log(command, since: start, "\(error)")
      throw error
    }
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
    self.logger.debug(
      "\(command)",
      metadata: [
        "outcome": "\(outcome())", "milliseconds": "\((ContinuousClock.now - start) / .milliseconds(1))",
      ])
  }
}
