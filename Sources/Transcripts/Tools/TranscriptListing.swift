import Foundation
import Processes
package import Systemd

/// A transcript as lines for a person: what was run when, what came of it, and what it said.
///
/// No line holds anything that a terminal would take for more than text.
package struct TranscriptListing: Sendable {
  /// Which commands are shown; all unless something is set.
  package struct Filter: Sendable {
    /// Only those that name this unit.
    package var unit: UnitName?
    /// Only those that failed.
    package var isFailed = false
    /// Only those that took longer, and do not follow the journal.
    package var slowerThan: Duration?

    /// Makes a filter that lets everything through.
    package init() {}
  }

  /// How much of a command's output is shown.
  private static let lineLimit = 4
  private static let lengthLimit = 120

  private let transcript: Transcript
  private let filter: Filter
  private let isFull: Bool
  private let isColoured: Bool

  /// - Parameters:
  ///   - isFull: whether all output is shown, and every property that is asked for.
  ///   - isColoured: whether what failed and what is beside the point has a colour (ECMA-48).
  package init(_ transcript: Transcript, _ filter: Filter, isFull: Bool, isColoured: Bool) {
    self.transcript = transcript
    self.filter = filter
    self.isFull = isFull
    self.isColoured = isColoured
  }

  /// The lines, first those about the recording.
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
    let form = CommandSignature(exchange.command, prefix: self.transcript.header.commandPrefix)
    if let unit = self.filter.unit, !form.units.contains(unit.name) { return false }
    if self.filter.isFailed, !exchange.isFailed { return false }
    if let limit = self.filter.slowerThan {
      guard let duration = exchange.duration, duration > limit, !form.words.contains("--follow") else {
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
    // A line for each unit, with what tells its state.
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
    // What all of them have, and long lists, hide what differs.
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

  /// A line of output: an entry of the journal by its message.
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
    // Far enough; beyond, a date has no meaning.
    let seconds = min(Double(time.microseconds) / 1e6, 1e11)
    return Date(timeIntervalSince1970: seconds).formatted(.iso8601)
  }
}

extension Transcript {
  /// The version of systemd that the commands were run with, where one of them told.
  package var systemdVersion: SystemdVersion? {
    self.exchanges.lazy.filter { $0.command.arguments.last == "--version" }
      .compactMap { SystemdVersion(String(decoding: $0.standardOutput.prefix(4096), as: UTF8.self)) }.first
  }
}

extension Transcript.Exchange {
  /// How long the command ran; nil if the recording does not tell.
  package var duration: Duration? {
    self.end.map { .microseconds(Int64($0 >= self.start ? $0 - self.start : 0)) }
  }

  /// Whether it did not do what it was run for. One that was ended by the driver has done that.
  package var isFailed: Bool {
    switch self.outcome {
    case .ended(let result):
      !result.termination.isSuccess && !(self.isAnswer && result.termination == .exited(1))
    case .failed: true
    case .cancelled, .refused, nil: false
    }
  }

  /// Whether an exit status of 1 is an answer: grep has found nothing, the system's state is not "running".
  private var isAnswer: Bool {
    self.command.executable.hasSuffix("/grep")
      || (self.command.arguments.contains("is-system-running") && !self.standardOutput.isEmpty)
  }

  /// What came of it, in a word or two.
  package var status: String {
    switch self.outcome {
    case .ended(let result):
      switch result.termination {
      case .exited(0): "ok"
      case .exited(let status): "exit \(status)"
      case .signaled(let signal): "signal \(signal)"
      }
    case .failed(.notExecutable), .failed(.spawnFailed), .failed(.notRecorded): "not run"
    case .failed(.timedOut): "timed out"
    case .failed(.tooMuchOutput): "too much"
    case .cancelled: "ended"
    case .refused: "refused"
    case nil: "unknown"
    }
  }

  /// What it wrote to standard error, as far as that was kept.
  var standardError: [UInt8] {
    if case .ended(let result) = self.outcome { result.standardError } else { [] }
  }

  /// Why it has no result.
  var reason: String? {
    switch self.outcome {
    case .failed(let error): error.description
    case .refused(let reason): reason
    case .ended, .cancelled, nil: nil
    }
  }

  /// The lines of its standard output, each with the time at which its end came.
  var lines: [(at: UInt64, bytes: ArraySlice<UInt8>)] {
    var lines: [(at: UInt64, bytes: ArraySlice<UInt8>)] = []
    var partial: [UInt8] = []
    for chunk in self.output {
      var rest = chunk.bytes[...]
      while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
        lines.append((chunk.at, partial.isEmpty ? rest[..<end] : (partial + rest[..<end])[...]))
        partial = []
        rest = rest[(end + 1)...]
      }
      partial += rest
    }
    if !partial.isEmpty, let last = self.output.last { lines.append((last.at, partial[...])) }
    return lines
  }
}
