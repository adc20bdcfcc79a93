import Foundation
import Processes
package import Systemd

/// A transcript as lines for a person: each command with its time, its status and its output.
///
/// No line has anything that a terminal would take for more than text.
package struct TranscriptListing: Sendable {
  /// Selects the commands that are shown; by default all.
  package struct Filter: Sendable {
    /// Only those that name this unit.
    package var unit: UnitName?
    /// Only those that failed.
    package var isFailed = false
    /// Only those that took longer, without those that follow the journal.
    package var slowerThan: Duration?

    /// Makes a filter that selects all commands.
    package init() {}
  }

  /// How many lines of a command's output are shown, and how many characters of a line.
  private static let lineLimit = 4
  private static let lengthLimit = 120

  private let transcript: Transcript
  private let filter: Filter
  private let isFull: Bool
  private let isColoured: Bool

  /// - Parameters:
  ///   - isFull: whether all output is shown, and command lines as they were.
  ///   - isColoured: whether failures are red and output is dim (ECMA-48).
  package init(_ transcript: Transcript, _ filter: Filter, isFull: Bool, isColoured: Bool) {
    self.transcript = transcript
    self.filter = filter
    self.isFull = isFull
    self.isColoured = isColoured
  }

  /// Prints the lines, first those about the recording.
  package func lines(_ print: (String) -> Void) {
    let header = self.transcript.header
    print("Recording \(Self.clean(header.recording)), begun \(Self.date(header.realtime))")
    var facts = ["plugin \(Self.clean(header.plugin))"]
    if let version = self.transcript.systemdVersion { facts.append("systemd \(Self.clean(version.full))") }
    if let boot = header.bootID { facts.append("boot \(Self.clean(boot))") }
    if !header.commandPrefix.isEmpty {
      facts.append(
        "through \(Command(executable: header.commandPrefix[0], arguments: Array(header.commandPrefix.dropFirst())))"
      )
    }
    print(facts.joined(separator: ", "))
    print("")
    for exchange in self.transcript.exchanges where self.isShown(exchange) { self.lines(of: exchange, print) }
  }

  private func isShown(_ exchange: Transcript.Exchange) -> Bool {
    let signature = CommandSignature(exchange.command, prefix: self.transcript.header.commandPrefix)
    if let unit = self.filter.unit, !signature.units.contains(unit.name) { return false }
    if self.filter.isFailed, !exchange.isFailed { return false }
    if let limit = self.filter.slowerThan {
      guard let duration = exchange.duration, duration > limit, !signature.words.contains("--follow") else {
        return false
      }
    }
    return true
  }

  private func lines(of exchange: Transcript.Exchange, _ print: (String) -> Void) {
    let duration =
      exchange.duration.map { String(format: "%9.3f ms", $0 / .milliseconds(1)) } ?? "        ?   "
    let status = exchange.status.padding(toLength: max(exchange.status.count, 9), withPad: " ", startingAt: 0)
    print(
      "\(Self.time(exchange.start))  \(duration)  "
        + (exchange.isFailed ? self.coloured(status, "31;1") : status)
        + "  \(self.text(of: exchange.command))")
    var shown = 0
    var omitted = 0
    func line(_ time: UInt64, _ mark: String, _ text: String) {
      if !self.isFull, shown >= Self.lineLimit {
        omitted += 1
        return
      }
      shown += 1
      print(Self.time(time) + self.coloured("  \(mark) \(self.abridged(text))", "2"))
    }
    for (time, text) in self.shownLines(of: exchange) { line(time, "│", text) }
    if omitted > 0 { print("              " + self.coloured("│ … \(omitted) more lines", "2")) }
    shown = 0
    omitted = 0
    for bytes in exchange.standardError.split(separator: UInt8(ascii: "\n")) {
      line(exchange.end ?? exchange.start, "!", Self.clean(bytes))
    }
    if omitted > 0 { print("              " + self.coloured("! … \(omitted) more lines", "2")) }
    if let reason = exchange.reason { line(exchange.end ?? exchange.start, "!", Self.clean(reason)) }
  }

  private func shownLines(of exchange: Transcript.Exchange) -> [(UInt64, String)] {
    let lines = exchange.lines
    guard !self.isFull, exchange.command.arguments.contains("show") else {
      return lines.map { ($0.at, Self.text(of: $0.bytes)) }
    }
    // One line for each unit, with the properties that show its state.
    return lines.split { $0.bytes.isEmpty }.map { block in
      let lines = block.map { Self.clean($0.bytes) }
      let properties = Self.stateProperties.compactMap { name in
        lines.first { $0.hasPrefix(name) && $0 != "\(name)0" && $0 != name }
      }
      return (block.last?.at ?? exchange.start, properties.joined(separator: " "))
    }
  }

  private static let stateProperties = [
    "Id=", "LoadState=", "ActiveState=", "SubState=", "Result=", "MainPID=", "ExecMainCode=",
    "ExecMainStatus=", "NRestarts=",
  ]

  private func text(of command: Command) -> String {
    if self.isFull { return command.description }
    // Options that all commands have, and long lists, hide what differs.
    var command = command
    command.arguments = command.arguments.compactMap { argument in
      if argument == "--no-pager" || argument == "--no-ask-password" { return nil }
      for name in ["--property=", "--output-fields="] where argument.hasPrefix(name) && argument.count > 60 {
        return "\(name)..."
      }
      return argument
    }
    return command.description
  }

  private func abridged(_ text: String) -> String {
    self.isFull || text.count <= Self.lengthLimit ? text : text.prefix(Self.lengthLimit) + "…"
  }

  private func coloured(_ text: String, _ code: String) -> String {
    self.isColoured ? "\u{1b}[\(code)m\(text)\u{1b}[0m" : text
  }

  /// A line of output; for an entry of the journal, its source and message.
  private static func text(of line: ArraySlice<UInt8>) -> String {
    guard line.first == UInt8(ascii: "{"), let entry = try? JournalEntry(json: line) else {
      return self.clean(line)
    }
    let source = self.clean(entry.identifier ?? "") + (entry.processID.map { "[\($0)]" } ?? "")
    return "\(source): \(self.clean(entry.message))"
  }

  private static func clean(_ bytes: some Collection<UInt8>) -> String { DisplayText(bytes).text }
  private static func clean(_ text: String) -> String { DisplayText(text.utf8).text }

  /// Seconds since the recording began.
  private static func time(_ microseconds: UInt64) -> String {
    String(format: "%12.6f", Double(microseconds) / 1e6)
  }

  private static func date(_ time: RealtimeTimestamp) -> String {
    // In the year 5138; later times cannot be formatted as dates.
    let seconds = min(Double(time.microseconds) / 1e6, 1e11)
    return Date(timeIntervalSince1970: seconds).formatted(.iso8601)
  }
}
