import AsyncPrimitives
import Glibc
import Processes

/// A plugin's process, and the tasks that read what it prints. Whoever starts one ends it with ``end(within:)``.
struct PluginProcess: Sendable {
  let processIdentifier: Int32

  /// How the program has ended, in words. Fulfilled when it has ended, whatever its children do, and all that it wrote
  /// has been handed on.
  let exit = Promise<String>()

  private let child: ChildProcess

  /// Starts a program, in this process's session and working directory.
  ///
  /// - Parameters:
  ///   - onOutput: Called for each line on its standard output, one after the other.
  ///   - onError: Called for each line on its standard error, one after the other.
  /// - Throws: `CommandError`.
  static func start(
    _ path: String, _ arguments: [String], environment: [String: String],
    onOutput: @escaping @Sendable ([UInt8]) -> Void, onError: @escaping @Sendable ([UInt8]) -> Void
  ) async throws -> PluginProcess {
    var options = ChildProcess.Options(environment: environment.map { Array("\($0.key)=\($0.value)".utf8) })
    options.directory = nil
    options.leadsSession = false
    let child = try await ChildProcess.start(Command(executable: path, arguments: arguments), options)
    let process = PluginProcess(processIdentifier: child.processID, child: child)
    // Unstructured: the process may outlive the task that has started it, until its end.
    Task {
      async let output: Void = LineReader.read(child.standardOutput, onLine: onOutput)
      async let error: Void = LineReader.read(child.standardError, onLine: onError)
      let termination = await child.waitForExit().termination
      _ = await (output, error)
      child.close()
      process.exit.fulfil(termination.map { "\($0)" } ?? "its exit status is lost")
    }
    return process
  }

  /// Waits until the program has ended, for `limit` at most; then kills it. Not ended by cancellation.
  func end(within limit: Duration) async {
    await Task {
      if (try? await self.exit.value(within: limit)) != nil { return }
      self.child.signal(SIGKILL)
      _ = try? await self.exit.value
    }.value
  }
}
