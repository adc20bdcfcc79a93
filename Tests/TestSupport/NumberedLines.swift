import Foundation

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

  /// Tells a unit to end.
  package static func end(_ unit: String) throws {
    try Data().write(
      to: URL(fileURLWithPath: "/run/\(unit.replacingOccurrences(of: ".service", with: "")).go"))
  }

  /// Whether lines are all numbers from 1 on, and `end`.
  package static func areComplete(_ lines: [String]) -> Bool {
    lines.last == "end" && lines.count > 1
      && lines.dropLast().enumerated().allSatisfy { $0.element == "\($0.offset + 1)" }
  }
}
