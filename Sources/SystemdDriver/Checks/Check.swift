import Processes
import Systemd

/// One thing that tasks depend on: what was found, and what to do about it.
public struct Check: Sendable, Hashable {
  /// The verdict of a check, from the best to the worst.
  public enum Verdict: String, Sendable, Hashable, CaseIterable, Encodable {
    /// Tasks work.
    case ok
    /// Tasks work, but perhaps not as expected.
    case warn
    /// Tasks cannot work.
    case fail
  }

  /// The unit that was checked; nil for the host.
  public let unit: String?
  /// What was checked, for example `journal`.
  public let name: String
  /// The verdict.
  public let verdict: Verdict
  /// What was found: one line without control characters.
  public let finding: String
  /// What follows from it or what to do; nil if there is nothing to say. One line without control characters.
  public let hint: String?

  init(_ name: String, of unit: String? = nil, _ verdict: Verdict, _ finding: String, hint: String? = nil) {
    // Much of it comes from programs and unit files.
    func line(_ text: String) -> String { DisplayText(text.utf8).text }
    self.unit = unit.map(line)
    self.name = name
    self.verdict = verdict
    self.finding = line(finding)
    self.hint = hint.map(line)
  }

  /// A check that could not be done, with the error as its finding.
  init(_ name: String, of unit: String? = nil, _ verdict: Verdict, _ error: SystemdError) {
    self.init(name, of: unit, verdict, error.problem, hint: error.hint)
  }
}

extension Check.Verdict: Comparable {
  /// Whether one verdict is better than another.
  public static func < (left: Self, right: Self) -> Bool {
    allCases.firstIndex(of: left) ?? 0 < allCases.firstIndex(of: right) ?? 0
  }
}

extension Check: Encodable {
  private enum CodingKeys: String, CodingKey {
    case unit
    case name = "check"
    case verdict, finding, hint
  }
}

extension SystemdError {
  /// What was attempted and what was answered, without the hint.
  fileprivate var problem: String {
    let text = self.description
    return text.hasSuffix(self.hint) ? String(text.dropLast(self.hint.count)) : text
  }
}
