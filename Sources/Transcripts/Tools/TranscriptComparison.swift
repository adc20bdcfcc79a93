package import Processes
import Systemd

/// The commands whose answers differ between two transcripts.
///
/// What differs each time, such as timestamps and process IDs, is not compared, nor are the order and the
/// number of equal answers.
package struct TranscriptComparison: Sendable {
  /// A command and the lines that only one of the transcripts has.
  package struct Difference: Sendable {
    /// The command, from the first transcript that has it.
    package let command: Command
    /// The lines that only the first transcript has.
    package let first: [String]
    /// The lines that only the second transcript has.
    package let second: [String]
  }

  /// The differences in the order of the first transcript, then those of commands that only the second one
  /// has.
  package let differences: [Difference]

  /// Compares two transcripts.
  package init(_ first: Transcript, _ second: Transcript) {
    let (answers, others) = (Self.answers(first), Self.answers(second))
    var differences: [Difference] = []
    for (signature, answer) in answers.sorted(by: { $0.value.order < $1.value.order }) {
      guard let other = others[signature] else {
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
    for (signature, answer) in others.sorted(by: { $0.value.order < $1.value.order })
    where answers[signature] == nil {
      differences.append(
        Difference(command: answer.command, first: [], second: ["(only here, \(answer.count)×)"]))
    }
    self.differences = differences
  }

  private struct Answers {
    let command: Command
    let order: Int
    var count = 0
    /// The lines of all answers, each once, in the order of their first appearance.
    var lines: [String] = []
    var known: Set<String> = []
  }

  private static func answers(_ transcript: Transcript) -> [CommandSignature: Answers] {
    var answers: [CommandSignature: Answers] = [:]
    for exchange in transcript.exchanges {
      let signature = CommandSignature(exchange.command, prefix: transcript.header.commandPrefix)
      func add(_ lines: [String], to signature: CommandSignature) {
        var answer =
          answers.removeValue(forKey: signature) ?? Answers(command: exchange.command, order: answers.count)
        answer.count += 1
        for line in lines where answer.known.insert(line).inserted { answer.lines.append(line) }
        answers[signature] = answer
      }
      // A command that the driver has cancelled has no exit status.
      let status =
        exchange.outcome == .cancelled || exchange.outcome == nil ? [] : ["status: \(exchange.status)"]
      let errors = exchange.standardError.split(separator: UInt8(ascii: "\n")).map {
        "stderr: " + DisplayText($0).text
      }
      guard signature.kind == .state, signature.units.count > 1 else {
        add(status + exchange.lines.compactMap { Self.comparable($0.bytes) } + errors, to: signature)
        continue
      }
      // Which units are asked about together is chance.
      for unit in signature.units {
        let answer = UnitReplay.answer(about: unit, signature, exchange)
        let lines = (answer?.output ?? []).split(separator: UInt8(ascii: "\n"))
        add(status + lines.compactMap(Self.comparable) + errors, to: signature.of(unit))
      }
    }
    return answers
  }

  /// The part of a line that can be compared; nil if it differs each time.
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
