import Foundation
import SystemdDriver

/// Checks as a person and as a machine reads them.
struct CheckReport: Encodable {
  /// Of the form of the JSON; it changes when a reader would have to.
  let version = 1
  /// The worst of all.
  let verdict: Check.Verdict
  let checks: [Check]

  init(_ checks: [Check]) {
    self.verdict = checks.map(\.verdict).max() ?? .ok
    self.checks = checks
  }

  private enum CodingKeys: CodingKey {
    case version, verdict, checks
  }

  /// One object; `unit` and `hint` are there where a check has them.
  var json: String {
    get throws {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
      return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
  }

  /// A row for each check, its hint below it, and a line that sums them up.
  var table: String {
    let width = self.checks.map(\.name.count).max() ?? 0
    var lines: [String] = []
    var unit: String?
    for check in self.checks {
      if lines.isEmpty || check.unit != unit {
        lines.append(check.unit ?? "this host")
        unit = check.unit
      }
      let verdict = check.verdict.rawValue.padding(toLength: 4, withPad: " ", startingAt: 0)
      let name = check.name.padding(toLength: width, withPad: " ", startingAt: 0)
      lines.append("  \(verdict)  \(name)  \(check.finding)")
      if let hint = check.hint { lines.append("        \(String(repeating: " ", count: width))  \(hint)") }
    }
    func count(_ verdict: Check.Verdict) -> Int { self.checks.count { $0.verdict == verdict } }
    return lines.joined(separator: "\n") + "\n\(count(.ok)) ok, \(count(.warn)) warn, \(count(.fail)) fail"
  }
}
