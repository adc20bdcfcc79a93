import Foundation
import Processes
import TestHelpers

/// What one run of `/bin/true` costs with Foundation's `Process` and with this package's ``ProcessCommandRunner``, by
/// the number of descriptors that are open in this process.
enum SpawnBenchmarks {
  /// Not more than 10,000: with 20,000 open descriptors `Process` traps.
  private static let descriptorCounts = [10, 1_000, 3_000, 10_000]
  private static let runCount = 100
  /// What the runs themselves open, above the descriptors that are opened for them.
  private static let reserve = 100

  static func run() async throws {
    let resource = __rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue))
    var previous = rlimit()
    getrlimit(resource, &previous)
    defer { setrlimit(resource, &previous) }
    var raised = previous
    raised.rlim_cur = previous.rlim_max
    let limit = Int(clamping: setrlimit(resource, &raised) == 0 ? raised.rlim_cur : previous.rlim_cur)
    // The first runs start threads, which open descriptors that stay.
    try await self.runFoundation()
    try await self.runOwn()
    for count in self.descriptorCounts {
      guard count + self.reserve <= limit else {
        Main.row("/bin/true, \(count) open descriptors", "skipped: RLIMIT_NOFILE allows \(limit)")
        continue
      }
      try await self.compare(descriptorCount: count)
    }
  }

  /// Both in turns, with that many descriptors open.
  private static func compare(descriptorCount: Int) async throws {
    var descriptors: [Int32] = []
    defer { for descriptor in descriptors { close(descriptor) } }
    let present = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
    for _ in 0..<max(descriptorCount - present, 0) {
      let descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC)
      guard descriptor >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EMFILE) }
      descriptors.append(descriptor)
    }
    let clock = ContinuousClock()
    var foundation: [Duration] = []
    var own: [Duration] = []
    for _ in 0..<self.runCount {
      foundation.append(try await clock.measure { try await self.runFoundation() })
      own.append(try await clock.measure { try await self.runOwn() })
    }
    let what = "/bin/true, \(descriptorCount) open descriptors"
    Main.row("\(what), Foundation's Process", Figures(foundation).text)
    Main.row("\(what), ProcessCommandRunner", Figures(own).text)
    Main.row("\(what), Process / ProcessCommandRunner", Figures.ratio(foundation, own))
  }

  /// Does not call `waitUntilExit()`, which waits in a run loop, in steps of 50 ms.
  private static func runFoundation() async throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/true")
    process.standardInput = FileHandle.nullDevice
    let (output, error) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = error
    try await withCheckedThrowingContinuation { continuation in
      process.terminationHandler = { _ in continuation.resume() }
      do {
        try process.run()
      } catch {
        continuation.resume(throwing: error)
      }
    }
    for pipe in [output, error] { _ = try pipe.fileHandleForReading.readToEnd() }
  }

  private static func runOwn() async throws {
    _ = try await ProcessCommandRunner(logger: quietLogger)
      .run(Command(executable: "/bin/true", timeLimit: .seconds(60)))
  }
}
