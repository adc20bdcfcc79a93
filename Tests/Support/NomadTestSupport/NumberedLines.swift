import Foundation
import TestHelpers

/// A unit that prints numbers from 1 on, fast, until it is told to end; then the last one and `end`.
package enum NumberedLines {
  /// Makes such a unit.
  ///
  /// - Parameter portion: how many numbers it prints each hundredth of a second, or as fast as it can.
  package static func install(portion: Int) async throws -> String {
    try await Units.install(
      "[Service]", "LogRateLimitIntervalSec=1s", "LogRateLimitBurst=1000000",
      "ExecStart=/bin/bash -c 'i=0; until test -e /run/NAME.go; do seq $((i+1)) $((i+\(portion))); "
        + "i=$((i+\(portion))); sleep 0.01; done; echo end'")
  }

  /// Runs such a unit as a task and does something again and again while its lines come. Gives all that came.
  ///
  /// - Parameters:
  ///   - rounds: how often it is done.
  ///   - count: how many lines more than this come before each time.
  package static func run(
    portion: Int, rounds: Int, after count: Int, _ disturb: @Sendable (RunningTask) async throws -> Void
  ) async throws -> [String] {
    let unit = try await self.install(portion: portion)
    return try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        for _ in 1...rounds {
          let before = task.allocation.lines.count
          try await eventually("lines") { task.allocation.lines.count > before + count }
          try await disturb(task)
        }
        try Units.go(unit)
        _ = try await task.wait()
        return try await task.allocation.allLines()
      }
    }
  }

  /// Whether lines are all numbers from 1 on, and `end`.
  package static func areComplete(_ lines: [String]) -> Bool {
    lines.last == "end" && lines.count > 1
      && lines.dropLast().enumerated().allSatisfy { $0.element == "\($0.offset + 1)" }
  }
}
