import Foundation
import NomadPlugin
import NomadTestSupport
import Processes
import Synchronization
import TestHelpers

/// What commands in tasks cost, beside the same without the plugin.
enum ExecBenchmarks {
  static func run(_ nomad: Nomad) async throws {
    try await nomad.withTask(try await Units.make("t-sleep")) { task in
      try await self.latency(task)
      try await self.throughput(task)
    }
  }

  /// ExecTask of `true` beside nsenter, in turns.
  private static func latency(_ task: RunningTask) async throws {
    let runner = ProcessCommandRunner(logger: quietLogger)
    let main = try await Units.property("MainPID", of: task.inspect().driverAttributes["unit"] ?? "")
    let nsenter = Command(
      executable: Executable.find("nsenter"), arguments: ["--target", main, "--all", "/bin/true"],
      timeLimit: .seconds(60))
    var bare: [Duration] = []
    var exec: [Duration] = []
    let clock = ContinuousClock()
    for _ in 0..<200 {
      bare.append(try await clock.measure { _ = try await runner.run(nsenter) })
      exec.append(
        try await clock.measure {
          _ = try await task.calls.execTask(task.id, command: ["/bin/true"], timeout: .seconds(60))
        })
    }
    Main.row("nsenter --target PID --all true", Figures(bare).text)
    Main.row("ExecTask of true", Figures(exec).text)
    Main.row("ExecTask / nsenter", Figures.ratio(exec, bare))
  }

  /// Through standard input, `cat` and standard output beside a pipe to `cat`, in turns.
  private static func throughput(_ task: RunningTask) async throws {
    let megabytes = 256
    let runner = ProcessCommandRunner(logger: quietLogger)
    let plain = Command(
      executable: "/bin/sh", arguments: ["-c", "head -c \(megabytes << 20) /dev/zero | cat > /dev/null"],
      timeLimit: .seconds(60))
    var bare: [Duration] = []
    var exec: [Duration] = []
    let clock = ContinuousClock()
    for _ in 0..<5 {
      bare.append(try await clock.measure { _ = try await runner.run(plain) })
      exec.append(try await clock.measure { try await self.stream(megabytes, through: task) })
    }
    func speed(_ times: [Duration]) -> String {
      "median \(Int(Double(megabytes) / (times.sorted()[times.count / 2] / .seconds(1)))) MB/s (\(times.count) runs)"
    }
    Main.row("\(megabytes) MB in a pipe to cat", speed(bare))
    Main.row("\(megabytes) MB through stdin, cat and stdout of ExecTaskStreaming", speed(exec))
  }

  private static func stream(_ megabytes: Int, through task: RunningTask) async throws {
    let chunk = [UInt8](repeating: 0, count: 64 << 10)
    let left = Mutex(megabytes << 4)
    let input = AsyncStream<ExecInput>(unfolding: {
      let left = left.withLock { left in
        left -= 1
        return left
      }
      return left >= 0 ? .stdin(chunk) : left == -1 ? .stdinClosed : nil
    })
    _ = try await task.calls.execTaskStreaming(
      ExecRequest(taskID: task.id, command: ["/bin/cat"], tty: false), input: input
    ) { _ in }
  }
}
