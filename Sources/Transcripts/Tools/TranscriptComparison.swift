package import Processes
import Systemd

/// Which commands answered differently in two transcripts.
///
/// Times, process numbers and the like differ in any two: they are not compared, and neither are the order and the number
/// of equal answers.
package struct TranscriptComparison: Sendable {
  /// A command and what only one side said.
  package struct Difference: Sendable {
    /// The command, as the first that has it ran it.
    package let command: Command
    /// What only the first transcript has, a line each.
    package let first: [String]
    /// What only the second one has.
    package let second: [String]
  }

  /// The differences, in the order of the first transcript, then what only the second one has.
  package let differences: [Difference]

  /// Compares two transcripts.
  package init(_ first: Transcript, _ second: Transcript) {
    let (answers, others) = (Self.answers(first), Self.answers(second))
    var differences: [Difference] = []
    for (form, answer) in answers.sorted(by: { $0.value.order < $1.value.order }) {
      guard let other = others[form] else {
        differences.append(
          Difference(command: answer.command, first: ["(only here, \(answer.count)×)"], second: []))
        continue
      }
      let (known, otherKnown) = (Set(answer.lines), Set(other.lines))
      let difference = Difference(
        command: answer.command, first: answer.lines.filter { !otherKnown.contains($0) },
        second: other.lines.filter { !known.contains($0) })
      if !difference.first.isEmpty || !difference.second.isEmpty { differences.append(difference) }
    }
    for (form, answer) in others.sorted(by: { $0.value.order < $1.value.order }) where answers[form] == nil {
      differences.append(
        Difference(command: answer.command, first: [], second: ["(only here, \(answer.count)×)"]))
    }
    self.differences = differences
  }

  private struct Answers {
    let command: Command
    let order: Int
    var count = 0
    /// What was said, each once, in the order in which it was said first.
    var lines: [String] = []
    var known: Set<String> = []
  }

  private static func answers(_ transcript: Transcript) -> [CommandSignature: Answers] {
    var answers: [CommandSignature: Answers] = [:]
    for exchange in transcript.exchanges {
      let form = CommandSignature(exchange.command, prefix: transcript.header.commandPrefix)
      func add(_ lines: [String], to form: CommandSignature) {
        var answer =
          answers.removeValue(forKey: form) ?? Answers(command: exchange.command, order: answers.count)
        answer.count += 1
        for line in lines where answer.known.insert(line).inserted { answer.lines.append(line) }
        answers[form] = answer
      }
      // What the driver has ended has no status of its own.
      let status =
        exchange.outcome == .cancelled || exchange.outcome == nil ? [] : ["status: \(exchange.status)"]
      let errors = exchange.standardError.split(separator: UInt8(ascii: "\n")).map {
        "stderr: " + DisplayText($0).text
      }
      guard form.kind == .state, form.units.count > 1 else {
        add(status + exchange.lines.compactMap { Self.comparable($0.bytes) } + errors, to: form)
        continue
      }
      // Which units are asked about at once is chance.
      for unit in form.units {
        let answer = UnitReplay.answer(about: unit, form, exchange)
        let lines = (answer?.output ?? []).split(separator: UInt8(ascii: "\n"))
        add(status + lines.compactMap(Self.comparable) + errors, to: form.of(unit))
      }
    }
    return answers
  }

  /// What of a line can be compared; nil for what differs each time.
  private static func comparable(_ line: ArraySlice<UInt8>) -> String? {
    if line.first == UInt8(ascii: "{"), let entry = try? JournalEntry(json: line) {
      return "journal: " + DisplayText(entry.message).text
    }
    let name = String(decoding: line.prefix { $0 != UInt8(ascii: "=") }, as: UTF8.self)
    let isVolatile =
      name.hasSuffix("Timestamp") || name.hasSuffix("PID") || name.hasPrefix("Memory")
      || ["InvocationID", "CPUUsageNSec", "TasksCurrent", "Job", ""].contains(name)
    return isVolatile ? nil : DisplayText(line).text
  }
}
